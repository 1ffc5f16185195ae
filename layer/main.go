// Layer creates, rotates, inspects and publishes the secrets that a program
// declares with package secret:
//
//	layer secret init --to dir:./secrets
//	layer secret apply
//	layer secret rotate
//
// `layer secret --help` lists the commands, and docs/operations.md explains how
// to work with them.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	if os.Getenv("GOGC") == "" {
		// A command is short. Half as many collections take a tenth off its time.
		debug.SetGCPercent(200)
	}
	runAsVetTool(os.Args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the current step; a second one ends the program.
	context.AfterFunc(ctx, stop)
	lookup, environ := ownEnvironment()
	os.Exit(execute(ctx, os.Args[1:], process{in: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		lookup: lookup, environ: environ, unsetenv: os.Unsetenv, exec: syscall.Exec,
		tty: func() (*os.File, error) { return os.OpenFile("/dev/tty", os.O_RDWR, 0) }}))
}
