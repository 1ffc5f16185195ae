package workers_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall/js"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
	"github.com/layeron-hq/secret/workers"
)

var sessionKey = secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})

// run returns the value of a JavaScript expression.
func run(expression string) js.Value {
	return js.Global().Get("Function").New("return " + expression).Invoke()
}

// env returns an env whose binding of sessionKey is the expression's value.
func env(expression string) js.Value {
	return run("{LAYERON_SECRET_AUTH_SESSION_KEY: " + expression + "}")
}

func get(ctx context.Context, env js.Value) (string, error) {
	return workers.Bindings(env).Get(ctx, sessionKey.Address())
}

// binding is a Secrets Store binding as workerd makes it: it has no own keys,
// and get works as a method only.
const binding = `new (class { #value; constructor(value) { this.#value = value } async get() { return this.#value } })`

func TestBindingsReturnTheirValues(t *testing.T) {
	for _, c := range []struct{ name, binding, want string }{
		{"a plain secret", `"made-up"`, "made-up"},
		{"an empty plain secret", `""`, ""},
		{"a stored secret", binding + `("made-up")`, "made-up"},
		{"a stored secret that comes late", `{get: () => new Promise(r => setTimeout(() => r("made-up"), 5))}`, "made-up"},
		{"a stub", `Object.assign(() => {}, {get: async () => "made-up"})`, "made-up"},
		{"a promise of its own kind", `{get: () => ({then(resolve) { resolve("made-up") }})}`, "made-up"},
		{"no promise at all", `{get: () => "made-up"}`, "made-up"},
		{"white space and all", `"\ufeff a\u0000é😀\ufffd\r\n"`, "\ufeff a\x00é😀\ufffd\r\n"},
		{"as long as it gets", `"x".repeat(65536)`, strings.Repeat("x", 65536)},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := get(context.Background(), env(c.binding))
			require.NoError(t, err)
			require.Equal(t, c.want, text)
		})
	}
}

func TestFailuresNameTheBinding(t *testing.T) {
	const where = "Worker binding LAYERON_SECRET_AUTH_SESSION_KEY: "
	for _, c := range []struct {
		name string
		env  js.Value
		want error // nil: one that is none of the sentinels
		says string
	}{
		{"no binding", run(`{}`), secret.ErrNotFound,
			"not found: the Worker has no binding LAYERON_SECRET_AUTH_SESSION_KEY; " +
				"add to its wrangler config, and to each env.* block that is used: " +
				`"secrets_store_secrets": [{"binding": "LAYERON_SECRET_AUTH_SESSION_KEY", "store_id": "…", "secret_name": "…"}]`},
		{"null", env(`null`), secret.ErrNotFound, "add to its wrangler config"},
		{"no such secret in the store", env(`{async get() { throw new Error('Secret "lo_5f" not found') }}`),
			secret.ErrNotFound,
			"not found: " + where + `Secret "lo_5f" not found`},
		{"another rejection", env(`{async get() { throw new TypeError("the store is out of order") }}`), nil,
			where + "the store is out of order"},
		{"a rejection that is near", env(`{async get() { throw new Error('Network not found') }}`), nil,
			where + "Network not found"},
		{"get throws", env(`{get() { throw new Error("no such luck") }}`), nil, where + "no such luck"},
		{"get throws what get also says", env(`{get() { throw new Error('Secret "x" not found') }}`), secret.ErrNotFound,
			`Secret "x" not found`},
		{"a rejection with a text", env(`{get: () => Promise.reject("made-up")}`), nil,
			where + "it threw a value of type string"},
		{"a rejection with nothing", env(`{get: () => Promise.reject()}`), nil, where + "it threw a value of type undefined"},
		{"env throws", run(`new Proxy({}, {get() { throw new Error("no such luck") }})`), nil, where + "no such luck"},
		{"no get", env(`{put() {}}`), nil, where + "the binding has no method get: it is none of a Secrets Store"},
		{"a number", env(`12345`), nil, where + "the value is of type number, not a string"},
		{"a promise of an object", env(`{get: async () => ({value: "made-up"})}`), nil,
			where + "the value is of type object, not a string"},
		{"a promise of null", env(`{get: async () => null}`), nil, where + "the value is of type null, not a string"},
		{"half a surrogate pair", env(`"made-up \ud83d"`), nil, where + "the value is not valid Unicode"},
		{"no env", js.Undefined(), secret.ErrInvalid,
			"invalid: workers.Bindings was given a value of type undefined, not a Worker's env"},
		{"the zero Value", js.Value{}, secret.ErrInvalid, "of type undefined"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := get(context.Background(), c.env)
			require.Error(t, err)
			require.Empty(t, text)
			for _, sentinel := range []error{secret.ErrNotFound, secret.ErrInvalid} {
				require.Equal(t, sentinel == c.want, errors.Is(err, sentinel), "%v is %v", err, sentinel)
			}
			require.Contains(t, err.Error(), c.says)
			require.NotContains(t, err.Error(), "made-up")
			require.NotContains(t, err.Error(), "12345")
		})
	}
}

// TestDeclaredBinding: a Worker's existing binding is read under its own name,
// which must be one that a Worker can have.
func TestDeclaredBinding(t *testing.T) {
	bound := func(name string) *secret.Secret {
		return secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Binding: name,
			Store: workers.Bindings(run(`{API_KEY: "text", "api-key": "another", BROKEN: '{"current":"v1","versions":{'}`))})
	}
	text, err := bound("API_KEY").Current().Text()
	require.NoError(t, err)
	require.Equal(t, "text", text)
	_, err = bound("API_TOKEN").Current().Text()
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.ErrorContains(t, err, `the Worker has no binding API_TOKEN; `)
	require.ErrorContains(t, err, `[{"binding": "API_TOKEN", `)
	_, err = bound("api-key").Current().Text()
	require.ErrorIs(t, err, secret.ErrInvalid)
	require.ErrorContains(t, err, "Worker binding api-key: such a name has only letters, digits and _")
	_, err = bound("BROKEN").Current().Text()
	require.ErrorIs(t, err, secret.ErrMalformed)
	require.ErrorContains(t, err, " from binding BROKEN, at byte")
	// A store that names no place may keep the value anywhere.
	app := secret.NewApp(secret.AppOptions{Refresh: -1, Store: struct{ secret.Store }{
		workers.Bindings(run(`{BROKEN: '{"current":"v1","versions":{'}`))}})
	err = app.Use(secret.Static(secret.Options{Name: "key", Binding: "BROKEN"})).Start(t.Context())
	require.ErrorIs(t, err, secret.ErrMalformed)
	require.NotContains(t, err.Error(), "from binding")
}

func TestCancelledBefore(t *testing.T) {
	why := errors.New("the client is gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	_, err := get(ctx, env(`{get() { throw new Error("asked all the same") }}`))
	require.ErrorIs(t, err, why)
}

// TestCancelledWhileItWaits: the read returns, and the promise, settled later
// in any way, still finds the callbacks, once.
func TestCancelledWhileItWaits(t *testing.T) {
	for _, outcome := range []string{"resolve", "reject"} {
		t.Run(outcome, func(t *testing.T) {
			logged := observe(t, "console", "error")
			callbacks := observe(t, "Promise.prototype", "then")
			e := env(`{get() { return this.p ??= new Promise((resolve, reject) => { this.resolve = resolve; this.reject = reject }) }}`)
			why := errors.New("the client is gone")
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(5*time.Millisecond, func() { cancel(why) })
			_, err := get(ctx, e)
			require.ErrorIs(t, err, why)

			e.Get("LAYERON_SECRET_AUTH_SESSION_KEY").Call(outcome, "made-up")
			turn()
			require.Zero(t, logged.Length(), "a callback was gone before it was called")
			require.Equal(t, 1, callbacks.Length())
			kept, broken := callbacks.Index(0).Index(0), callbacks.Index(0).Index(1)
			kept.Invoke()
			broken.Invoke()
			require.Equal(t, 2, logged.Length(), "a callback stays behind for good")
		})
	}
}

// observe has a JavaScript function's calls recorded, a list of arguments each,
// until the test ends.
func observe(t *testing.T, object, name string) js.Value {
	t.Helper()
	o := run(object)
	original := o.Get(name)
	calls := run("[]")
	o.Set(name, js.Global().Get("Function").New("calls", "original",
		"return function (...args) { calls.push(args); return original.apply(this, args) }").Invoke(calls, original))
	t.Cleanup(func() { o.Set(name, original) })
	return calls
}

func TestManyAtOnce(t *testing.T) {
	store := workers.Bindings(run(`{LAYERON_SECRET_AUTH_SESSION_KEY: {get: () => new Promise(r => setTimeout(() => r("made-up"), 1))}}`))
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			text, err := store.Get(context.Background(), sessionKey.Address())
			if err != nil || text != "made-up" {
				t.Errorf("got %q, %v", text, err)
			}
		})
	}
	all.Wait()
}

func TestSecretReadsBindings(t *testing.T) {
	e := env(binding + `("current=v2;v1=old;v2=new")`)
	key := sessionKey.With(workers.Bindings(e))
	text, err := key.Current().Text()
	require.NoError(t, err)
	require.Equal(t, "new", text)

	e.Set(key.Binding(), run(binding+`("current=v3;v3=newer")`))
	text, err = key.Current().Text()
	require.NoError(t, err)
	require.Equal(t, "newer", text, "each read asks the binding")

	e.Set(key.Binding(), "current=v3;v3=newer;v3_expire=")
	_, err = key.Current().Text()
	require.ErrorIs(t, err, secret.ErrMalformed)
	require.ErrorContains(t, err, "from Worker binding LAYERON_SECRET_AUTH_SESSION_KEY")

	e.Delete(key.Binding())
	_, err = key.Current().Text()
	require.ErrorIs(t, err, secret.ErrNotFound)
}

func TestAppReadsBindings(t *testing.T) {
	e := env(binding + `("current=v2;v1=old;v2=new")`)
	key := sessionKey.With(nil)
	err := secret.NewApp(secret.AppOptions{Store: workers.Bindings(e)}).Use(key).Start(context.Background())
	require.ErrorIs(t, err, secret.ErrInvalid)
	require.ErrorContains(t, err, "nothing can run in the background")

	key = secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})
	app := secret.NewApp(secret.AppOptions{Store: workers.Bindings(e), Refresh: -1}).Use(key)
	require.NoError(t, app.Start(context.Background()))
	defer app.Close()
	e.Set(key.Binding(), "newer")
	text, err := key.Current().Text()
	require.NoError(t, err)
	require.Equal(t, "new", text, "under an App reads come from memory")
	require.NoError(t, app.Refresh(context.Background()))
	text, err = key.Current().Text()
	require.NoError(t, err)
	require.Equal(t, "newer", text)
}

// TestNoTimer: in workerd a timer of one request breaks the next one of the
// same instance.
// TestOneStoreOfTwoDeclarations: two declarations of one secret with the same
// store are equal.
func TestOneStoreOfTwoDeclarations(t *testing.T) {
	o := secret.Options{Name: "key", Store: workers.Bindings(run(`{LAYERON_SECRET_DEFAULT_KEY: "made-up"}`))}
	one, other := secret.Static(o), secret.Static(o)
	app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(one, other)
	require.NoError(t, app.Start(context.Background()))
	require.NoError(t, app.Close())
}

func TestNoTimer(t *testing.T) {
	timers := observe(t, "globalThis", "setTimeout")
	key := sessionKey.With(workers.Bindings(env(binding + `("made-up")`)))
	for range 100 {
		_, err := key.Current().Text()
		require.NoError(t, err)
		_, err = key.Active()
		require.NoError(t, err)
		require.NoError(t, key.Refresh(context.Background()))
	}
	require.Zero(t, timers.Length())
}

// TestBindingsAreAStore holds Bindings to the promises of every Store, over
// plain secrets and over stored ones.
func TestBindingsAreAStore(t *testing.T) {
	for name, wrap := range map[string]js.Value{
		"plain":  run(`text => text`),
		"stored": run(`text => ` + binding + `(text)`),
	} {
		t.Run(name, func(t *testing.T) {
			secrettest.TestStore(t, func(_ *testing.T, values map[secret.Address]string) secret.Store {
				e := run(`{}`)
				for addr, text := range values {
					e.Set(addr.Binding(), wrap.Invoke(text))
				}
				return workers.Bindings(e)
			})
		})
	}
}

// turn lets the event loop run: all due calls have been made then.
func turn() {
	done := make(chan struct{})
	f := js.FuncOf(func(js.Value, []js.Value) any { close(done); return nil })
	defer f.Release()
	js.Global().Call("setTimeout", f, 0)
	<-done
}
