// Sessions is an HTTP server whose signed cookies survive a rotation of the
// key.
//
//	go run ./examples/sessions
//
// logs a user in, rotates the key under the running server, and shows that the
// cookie stays valid or expires.
//
//	go run ./examples/sessions -dir ./secrets -addr 127.0.0.1:8080
//
// serves for good, with the key from the file LAYERON_SECRET_AUTH_SESSION_KEY
// in that directory.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/layeron-hq/secret"
)

func main() {
	dir := flag.String("dir", "", "directory with the session key; without it, a demonstration runs and ends")
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return serve(ctx, *addr, *dir) }
	if *dir == "" {
		run = func() error { return demonstrate(ctx, os.Stdout) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers requests until ctx ends.
func serve(ctx context.Context, addr, dir string) error {
	app := secret.NewApp(secret.AppOptions{Store: secret.Dir(dir)}).Use(sessionKey)
	if err := app.Start(ctx); err != nil {
		return err
	}
	defer app.Close()
	stop := app.OnChange(func(c secret.Change) {
		if c.CurrentChanged {
			fmt.Printf("%s: now signing with %s\n", c.Address, c.New)
		}
	}, sessionKey)
	defer stop()

	server := &http.Server{Addr: addr, Handler: handler(app), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	fmt.Printf("listening on http://%s, signing with %s\n", addr, currentID())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return server.Shutdown(ctx)
	}
}

func currentID() string {
	v, err := sessionKey.Current().Get(context.Background())
	if err != nil {
		return "nothing"
	}
	return v.ID
}
