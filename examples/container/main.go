// Container is the service in a Container behind a Worker: worker.mjs starts it
// with its secrets in the environment, where reads find them by default. It
// accepts the sessions that examples/worker issues, which has the same key.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// sessionKey is declared as in the Worker: same address, same binding, same
// value.
var sessionKey = secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 32})

func main() {
	addr := flag.String("addr", ":8080", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *addr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers requests until ctx ends.
func serve(ctx context.Context, addr string) error {
	// The environment of a process never changes, so there is nothing to refresh.
	app := secret.NewApp(secret.AppOptions{Refresh: -1}).Use(sessionKey)
	if err := app.Start(ctx); err != nil {
		return err
	}
	defer app.Close()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	server := &http.Server{Handler: routes(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return server.Shutdown(ctx)
	}
}

// routes serves GET /session?token=…, whose session it is, and GET /ready.
func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") })
	mux.HandleFunc("GET /session", func(w http.ResponseWriter, r *http.Request) {
		greeting, err := check(r.Context(), r.FormValue("token"))
		switch {
		case errors.Is(err, keyring.ErrInvalidToken):
			http.Error(w, "log in first", http.StatusUnauthorized)
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		default:
			fmt.Fprintln(w, greeting)
		}
	})
	return mux
}
