package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/tailscale/setec/client/setec"
	"github.com/tailscale/setec/types/api"

	"github.com/layeron-hq/secret"
)

// latency is the time in which the server of these rows answers a request. A
// batch is one request.
const latency = 10 * time.Millisecond

var _ = register("start", group{pairs: func(s *session) ([]pair, error) {
	server := newServer(1000)
	single := func(n int) func(*testing.B) { return starting(s.ctx, struct{ secret.Store }{server}, n) }
	return []pair{
		{"1000/batch", "without GetAll", starting(s.ctx, server, 1000), single(1000)},
		{"100/single", "setec NewStore", single(100), func(b *testing.B) {
			for b.Loop() {
				store, err := setec.NewStore(s.ctx, setec.StoreConfig{Client: setecLatency{}, Secrets: server.names[:100],
					PollInterval: -1, Logf: func(string, ...any) {}})
				if err != nil {
					b.Fatal(err)
				}
				_ = store.Close()
			}
		}},
		{"1000/memory", "", starting(s.ctx, server.Memory, 1000), nil},
		{"10000/memory", "", starting(s.ctx, newServer(10000).Memory, 10000), nil},
	}, nil
}})

// server is a store with a fixed latency.
type server struct {
	*secret.Memory
	texts map[secret.Address]string
	names []string
}

func newServer(n int) *server {
	s := &server{texts: map[secret.Address]string{}}
	text, _ := documents(3)
	all := map[string]string{}
	for i := range n {
		addr := addressOf(i)
		s.texts[addr], all[addr.String()] = text, text
		s.names = append(s.names, addr.Name)
	}
	s.Memory = secret.NewMemory(all)
	return s
}

func (s *server) Get(_ context.Context, addr secret.Address) (string, error) {
	time.Sleep(latency)
	return s.texts[addr], nil
}

func (s *server) GetAll(_ context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
	time.Sleep(latency)
	texts := make(map[secret.Address]string, len(addrs))
	for _, addr := range addrs {
		texts[addr] = s.texts[addr]
	}
	return texts, nil
}

// starting starts and closes an App with n secrets.
func starting(ctx context.Context, store secret.Store, n int) func(*testing.B) {
	return func(b *testing.B) {
		for b.Loop() {
			app := newApp(store, n, 0)
			if err := app.Start(ctx); err != nil {
				b.Fatal(err)
			}
			_ = app.Close()
		}
	}
}

// newApp returns an App with n new declarations, beginning with number first.
func newApp(store secret.Store, n, first int) *secret.App {
	quiet := slog.New(slog.DiscardHandler)
	app := secret.NewApp(secret.AppOptions{Store: store, Logger: quiet})
	for i := range n {
		app.Use(declared(first + i))
	}
	return app
}

func declared(i int) *secret.Secret {
	addr := addressOf(i)
	return secret.Static(secret.Options{Namespace: addr.Namespace, Name: addr.Name})
}

// setecLatency is a server of setec with the same latency.
type setecLatency struct{ setecServer }

func (s setecLatency) Get(ctx context.Context, name string) (*api.SecretValue, error) {
	time.Sleep(latency)
	return s.setecServer.Get(ctx, name)
}
