//go:build js

// Shared is one Go instance that answers all requests of a Worker.
package main

import (
	"context"
	"strconv"
	"syscall/js"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/workers"
)

var sessionKey = secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})

func main() {
	js.Global().Set("layeronServe", js.FuncOf(func(_ js.Value, args []js.Value) any {
		// A read waits for the event loop, which waits for this function.
		go serve(args[0], args[1], args[2])
		return nil
	}))
	select {}
}

func serve(request, env, resolve js.Value) {
	url := js.Global().Get("URL").New(request.Get("url"))
	store := workers.Bindings(env)
	resolve.Invoke(js.Global().Get("Response").New(answer(url, store)))
}

func answer(url js.Value, store secret.Store) string {
	ctx := context.Background()
	key := sessionKey.With(store)
	switch url.Get("pathname").String() {
	case "/read": // n times
		n, _ := strconv.Atoi(url.Get("searchParams").Call("get", "n").String())
		text := ""
		for range n {
			var err error
			if text, err = key.Current().Text(); err != nil {
				return err.Error()
			}
		}
		return text
	case "/app": // as it is made elsewhere
		return start(ctx, secret.AppOptions{Store: store})
	case "/app-without-background":
		return start(ctx, secret.AppOptions{Store: store, Refresh: -1})
	}
	return "no such route"
}

func start(ctx context.Context, o secret.AppOptions) string {
	key := secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})
	app := secret.NewApp(o).Use(key)
	if err := app.Start(ctx); err != nil {
		return err.Error()
	}
	defer app.Close()
	text, err := key.Current().Text()
	if err != nil {
		return err.Error()
	}
	return text
}
