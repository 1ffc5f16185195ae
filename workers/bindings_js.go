package workers

import (
	"context"
	"errors"
	"strings"
	"syscall/js"

	"github.com/layeron-hq/secret"
)

// Bindings returns the store of a Worker's bindings: env is what the Worker's handler was given. A secret is read from the
// binding of its own name, see [secret.Address.Binding]: from a Secrets Store binding, which is asked anew by each read, or
// from a string, as a Worker's plain secrets and .dev.vars are.
//
// Errors wrap [secret.ErrNotFound] where env has no such binding, and then hold the line to add to wrangler's config, or
// where the binding's secret is missing from the store; [secret.ErrInvalid] where env is no object. A binding of another
// kind, a rejected promise and a value that is no string are errors of their own. A read returns as soon as ctx ends.
//
// The store may be used by several goroutines, and by all requests that share an instance. It sets no timer. A read waits
// for the event loop, so a [js.Func] that reads has to do so in a goroutine.
func Bindings(env js.Value) secret.Store { return bindings{env} }

type bindings struct{ env js.Value }

var _ secret.Locator = bindings{}

// Locate is [secret.Locator]'s.
func (b bindings) Locate(addr secret.Address) string { return "Worker binding " + addr.Binding() }

// Get is [secret.Store]'s.
func (b bindings) Get(ctx context.Context, addr secret.Address) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if b.env.Type() != js.TypeObject {
		return "", &failure{": workers.Bindings was given a value of type " + b.env.Type().String() + ", not a Worker's env", secret.ErrInvalid}
	}
	where, name := b.Locate(addr), addr.Binding()
	binding, err := guarded(func() js.Value { return js.Global().Get("Reflect").Call("get", b.env, name) })
	if err != nil {
		return fail(where, err.Error())
	}
	switch binding.Type() {
	case js.TypeUndefined, js.TypeNull:
		return "", &failure{": the Worker has no binding " + name + "; add to its wrangler config, and to each env.* block that is used: " +
			`"secrets_store_secrets": [{"binding": "` + name + `", "store_id": "…", "secret_name": "…"}]`, secret.ErrNotFound}
	case js.TypeObject, js.TypeFunction: // stubs of remote objects are functions
		binding, err = ask(ctx, binding)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return "", context.Cause(ctx)
	case isMissing(err):
		return "", &failure{": " + where + ": " + err.Error(), secret.ErrNotFound}
	case err != nil:
		return fail(where, err.Error())
	case binding.Type() != js.TypeString:
		return fail(where, "the value is of type "+binding.Type().String()+", not a string")
	}
	text := binding.String()
	// The conversion to UTF-8 mends what is no Unicode, and a mended key is another key.
	if strings.Contains(text, "\uFFFD") && !isWellFormed(binding) {
		return fail(where, "the value is not valid Unicode")
	}
	return text, nil
}

func fail(where, why string) (string, error) { return "", errors.New(where + ": " + why) }

// failure is an error with an explanation. To make it with fmt would weigh 10 KB where a Worker uses no format.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.err.Error() + f.text }
func (f *failure) Unwrap() error { return f.err }

func isWellFormed(text js.Value) bool {
	return js.Global().Get("String").Get("prototype").Get("isWellFormed").Call("call", text).Bool()
}

// ask calls the binding's get, and waits for what it promises.
func ask(ctx context.Context, binding js.Value) (js.Value, error) {
	promise, err := guarded(func() js.Value {
		// get is called as a method: the binding is an opaque object whose methods cannot be taken from it.
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
	// A caller whose ctx has ended leaves the callbacks behind: JavaScript still calls one of them, and only then may
	// they go.
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

// guarded makes an error of what JavaScript throws.
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

// thrown is what JavaScript threw, or rejected a promise with.
type thrown struct{ value js.Value }

// Error shows the message of an Error, and of anything else no more than its type: that might be a value.
func (t *thrown) Error() string {
	if t.value.Type() == js.TypeObject {
		if message := t.value.Get("message"); message.Type() == js.TypeString {
			return message.String()
		}
	}
	return "it threw a value of type " + t.value.Type().String()
}

// isMissing knows the message of a store that has no such secret: there is no other sign.
func isMissing(err error) bool {
	if t, ok := err.(*thrown); ok {
		message := t.Error()
		return strings.HasPrefix(message, `Secret "`) && strings.HasSuffix(message, `" not found`)
	}
	return false
}
