//go:build js

// Constant is the Worker that reader is measured against: it uses fmt, context, time and os, as most do, and answers a constant.
package main

import (
	"context"
	"fmt"
	"os"
	"syscall/js"
	"time"
)

func main() {
	call := js.Global().Get("layeronRequest")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	fmt.Fprintf(os.Stderr, "%v, at %v\n", ctx, time.Now())
	call.Call("resolve", js.Global().Get("Response").New("constant"))
}
