package secret_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// probe is a store that counts its Gets, and lets a test step in before and
// after each has looked.
type probe struct {
	texts         *secret.Memory
	before, after func(context.Context, secret.Address) error

	mu      sync.Mutex
	asked   map[secret.Address]int
	present int
	most    int // Gets at a time
}

func newProbe() *probe {
	return &probe{texts: secret.NewMemory(nil), asked: map[secret.Address]int{}}
}

func (p *probe) Get(ctx context.Context, addr secret.Address) (string, error) {
	p.mu.Lock()
	p.asked[addr]++
	p.present++
	p.most = max(p.most, p.present)
	before, after := p.before, p.after
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.present--
		p.mu.Unlock()
	}()
	if before != nil {
		if err := before(ctx, addr); err != nil {
			return "", err
		}
	}
	text, err := p.texts.Get(context.WithoutCancel(ctx), addr)
	if after != nil {
		if err := after(ctx, addr); err != nil {
			return "", err
		}
	}
	return text, err
}

// step runs before at the start of each Get.
func (p *probe) step(before func(context.Context, secret.Address) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = before
}

func (p *probe) set(s *secret.Secret, text string) { p.texts.Set(s.Address().String(), text) }

// gets returns how often a secret was asked for, or all were.
func (p *probe) gets(only ...*secret.Secret) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for addr, times := range p.asked {
		if len(only) == 0 || only[0].Address() == addr {
			n += times
		}
	}
	return n
}

// hang waits for the end of ctx as a good store does.
func hang(ctx context.Context, _ secret.Address) error {
	<-ctx.Done()
	return ctx.Err()
}

// until returns a step that blocks Gets, even after their context ends, until
// the gate is closed.
func until(gate <-chan struct{}) func(context.Context, secret.Address) error {
	return func(context.Context, secret.Address) error {
		<-gate
		return nil
	}
}

// logged collects the log of an App.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// lines returns the lines logged since the last call.
func (l *logged) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimSuffix(l.text.String(), "\n")
	l.text.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

var silence = slog.New(slog.DiscardHandler)

// static declares a secret that an operator supplies.
func static(name string) *secret.Secret {
	return secret.Static(secret.Options{Namespace: "app", Name: name})
}

func requireStart(t testing.TB, a *secret.App) {
	t.Helper()
	require.NoError(t, a.Start(context.Background()))
	t.Cleanup(func() { require.NoError(t, a.Close()) })
}

func requireRead(t testing.TB, want string, s *secret.Secret) {
	t.Helper()
	text, err := s.Current().Text()
	require.NoError(t, err)
	require.Equal(t, want, text)
}

var errRefused = errors.New("connection refused")
