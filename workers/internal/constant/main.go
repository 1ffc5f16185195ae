//go:build js

// Constant is the Worker that reader is measured against: it imports what any
// Worker does, and answers a constant.
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
	fmt.Fprintln(os.Stderr, context.Background(), time.Now())
	call.Call("resolve", js.Global().Get("Response").New("constant"))
}
