//go:build js

// Reader is constant, but for the Text of one secret.
package main

import (
	"context"
	"fmt"
	"os"
	"syscall/js"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/workers"
)

var sessionKey = secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})

func main() {
	call := js.Global().Get("layeronRequest")
	fmt.Fprintln(os.Stderr, context.Background(), time.Now())
	text, err := sessionKey.With(workers.Bindings(call.Get("env"))).Current().Text()
	if err != nil {
		text = err.Error()
	}
	call.Call("resolve", js.Global().Get("Response").New(text))
}
