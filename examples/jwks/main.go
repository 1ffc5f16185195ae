// Jwks issues JWTs that other services verify without being able to issue any.
// It signs with EdDSA under an Ed25519 key that is derived from a random seed
// of 32 bytes, and publishes the public keys as a JWK Set. Tokens survive each
// rotation of the seed.
//
//	go run ./examples/jwks
//
// issues tokens, rotates the seed under the running server, and shows the
// tokens and keys that another service accepts.
//
//	go run ./examples/jwks -dir ./secrets -addr 127.0.0.1:8080 -window 24h
//
// serves until it is interrupted, with the seed from the file
// LAYERON_SECRET_AUTH_TOKEN_SEED in that directory. The window is that of the
// rotation, see layer secret init --window: the time between the publication of
// a key and its first use. No verifier may keep the key set for longer.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/layeron-hq/secret"
)

func main() {
	dir := flag.String("dir", "", "directory with the seed; without it, a demonstration runs and ends")
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on")
	window := flag.Duration("window", 24*time.Hour, "window of the rotation")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return serve(ctx, *addr, *dir, *window) }
	if *dir == "" {
		run = func() error { return demonstrate(ctx, os.Stdout) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers requests until ctx ends.
func serve(ctx context.Context, addr, dir string, window time.Duration) error {
	app := secret.NewApp(secret.AppOptions{Store: secret.Dir(dir)}).Use(tokenSeed)
	if err := app.Start(ctx); err != nil {
		return err
	}
	defer app.Close()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: issuer{tokenSeed, window}.handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Printf("listening on http://%s\n", listener.Addr())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return server.Shutdown(ctx)
	}
}
