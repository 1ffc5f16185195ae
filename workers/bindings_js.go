package workers

import (
	"context"
	"errors"
	"strings"
	"syscall/js"
	"unicode/utf8"

	"github.com/layeron-hq/secret"
	names "github.com/layeron-hq/secret/internal/binding"
)

// Bindings returns the store of a Worker's bindings: env is the argument of the
// Worker's handler. A secret is read from the binding of its own name, see
// [secret.BindingOf]: from a Secrets Store binding, which every read asks
// anew, or from a string, such as a Worker's plain secret or a line of
// .dev.vars.
//
// Errors wrap [secret.ErrNotFound] if env has no such binding, and then contain
// the line to add to wrangler's config, or if the binding's secret is missing
// from the store. They wrap [secret.ErrInvalid] if env is not an object, or if
// the name cannot be that of a Worker's binding. A binding of another kind, a
// rejected promise and a value that is not a string have errors of their own. A
// read returns as soon as ctx ends.
//
// The store may be used by several goroutines, and by all requests that share
// an instance. It sets no timer. A read waits for the event loop, so a
// [js.Func] must read in a goroutine.
func Bindings(env js.Value) secret.Store { return &bindings{env} }

type bindings struct{ env js.Value }

var _ secret.Locator = (*bindings)(nil)

const place = "Worker binding "

// Locate implements [secret.Locator].
func (b *bindings) Locate(addr secret.Address) string { return place + addr.Binding() }

// Get implements [secret.Store].
func (b *bindings) Get(ctx context.Context, addr secret.Address) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if b.env.Type() != js.TypeObject {
		return failed(secret.ErrInvalid, ": workers.Bindings was given a value of type "+b.env.Type().String()+
			", not a Worker's env")
	}
	name := secret.BindingOf(ctx, addr)
	where := place + name
	if !names.IsVariable(name) {
		return failed(secret.ErrInvalid, ": "+where+": "+names.NotAVariable)
	}
	binding, err := guarded(func() js.Value { return js.Global().Get("Reflect").Call("get", b.env, name) })
	if err != nil {
		return fail(where, err.Error())
	}
	switch binding.Type() {
	case js.TypeUndefined, js.TypeNull:
		return failed(secret.ErrNotFound, ": the Worker has no binding "+name+
			"; add to its wrangler config, and to each env.* block that is used: "+
			`"secrets_store_secrets": [{"binding": "`+name+`", "store_id": "…", "secret_name": "…"}]`)
	case js.TypeObject, js.TypeFunction: // stubs of remote objects are functions
		binding, err = ask(ctx, binding)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return "", context.Cause(ctx)
	case isMissing(err):
		return failed(secret.ErrNotFound, ": "+where+": "+err.Error())
	case err != nil:
		return fail(where, err.Error())
	case binding.Type() != js.TypeString:
		return fail(where, "the value is of type "+binding.Type().String()+", not a string")
	}
	text := binding.String()
	// The conversion to UTF-8 replaces invalid Unicode, and a changed key is
	// another key.
	if holdsReplacement(text) && !isWellFormed(binding) {
		return fail(where, "the value is not valid Unicode")
	}
	return text, nil
}

// fail and failed are not inlined: at their calls that would add to a Worker.
//
//go:noinline
func fail(where, why string) (string, error) { return "", errors.New(where + ": " + why) }

//go:noinline
func failed(err error, text string) (string, error) { return "", &failure{text, err} }

// failure is an error with an explanation. fmt would add 10 KB to a Worker that
// uses no formatting.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.err.Error() + f.text }
func (f *failure) Unwrap() error { return f.err }

// holdsReplacement reports whether text holds U+FFFD. Package strings would add
// 1 KB to a Worker.
func holdsReplacement(text string) bool {
	for _, r := range text {
		if r == utf8.RuneError {
			return true
		}
	}
	return false
}

func isWellFormed(text js.Value) bool {
	return js.Global().Get("String").Get("prototype").Get("isWellFormed").Call("call", text).Bool()
}

// ask calls the binding's get, and waits for its promise.
func ask(ctx context.Context, binding js.Value) (js.Value, error) {
	promise, err := guarded(func() js.Value {
		// get is called as a method: the binding is an opaque object whose methods
		// cannot be taken from it.
		return js.Global().Get("Promise").Call("resolve", binding.Call("get"))
	})
	if err != nil {
		return js.Value{}, err
	}
	type answer struct {
		value js.Value
		err   error
	}
	settled := make(chan answer, 1)
	var kept, broken js.Func
	// If ctx ends first, the callbacks stay: JavaScript still calls one of them,
	// and only then may they be released.
	settle := func(a answer) any {
		kept.Release()
		broken.Release()
		settled <- a
		return nil
	}
	kept = js.FuncOf(func(_ js.Value, args []js.Value) any { return settle(answer{value: args[0]}) })
	broken = js.FuncOf(func(_ js.Value, args []js.Value) any { return settle(answer{err: &thrown{args[0]}}) })
	promise.Call("then", kept, broken)
	select {
	case a := <-settled:
		return a.value, a.err
	case <-ctx.Done():
		return js.Value{}, context.Cause(ctx)
	}
}

// guarded turns a JavaScript exception into an error.
func guarded(f func() js.Value) (v js.Value, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case js.Error:
			err = &thrown{r.Value}
		case string: // syscall/js says so
			err = errors.New("the binding has no method get: it is none of a Secrets Store")
		default:
			panic(r)
		}
	}()
	return f(), nil
}

// thrown is a JavaScript exception, or the reason of a rejected promise.
type thrown struct{ value js.Value }

// Error returns the message of a JavaScript Error, and for any other object
// only its type, because it might be a value.
func (t *thrown) Error() string {
	if t.value.Type() == js.TypeObject {
		if message := t.value.Get("message"); message.Type() == js.TypeString {
			return message.String()
		}
	}
	return "it threw a value of type " + t.value.Type().String()
}

// isMissing recognises the message of a store that has no such secret: there is
// no other sign.
func isMissing(err error) bool {
	if t, ok := err.(*thrown); ok {
		message := t.Error()
		return strings.HasPrefix(message, `Secret "`) && strings.HasSuffix(message, `" not found`)
	}
	return false
}
