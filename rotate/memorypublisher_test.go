package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/leak"
	"github.com/layeron-hq/secret/rotate"
	"github.com/layeron-hq/secret/secrettest"
)

func TestMemoryPublisherIsAStore(t *testing.T) {
	secrettest.TestStore(t, func(t *testing.T, values map[secret.Address]string) secret.Store {
		m := new(rotate.MemoryPublisher)
		for addr, text := range values {
			publish(t, m, addr.Binding(), text, "note")
		}
		return m
	})
}

// An App learns of what was published by the store's hint, long before it would ask.
func TestMemoryPublisherIsAWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(rotate.MemoryPublisher)
		publish(t, m, authBinding, "first", "note")
		key := secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})
		app := secret.NewApp(secret.AppOptions{Store: m, Refresh: 24 * time.Hour, Logger: slog.New(slog.DiscardHandler)}).Use(key)
		require.NoError(t, app.Start(t.Context()))
		defer app.Close()
		for text, change := range map[string]func(){
			"published": func() { publish(t, m, authBinding, "published", "note") },
			"by hand":   func() { m.Set(authBinding, "by hand") },
		} {
			change()
			time.Sleep(10 * time.Second) // of the bubble
			got, err := key.Current().Text()
			require.NoError(t, err)
			require.Equal(t, text, got)
		}
	})
}

// A program's tests read what was published as the program does, under the names that the publisher gives.
func TestMemoryPublisherServesAProgram(t *testing.T) {
	var m rotate.MemoryPublisher
	key := secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Store: &m})
	_, err := key.Current().Text()
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.ErrorContains(t, err, authBinding)

	declared := secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})
	spec := secret.NewApp(secret.AppOptions{}).Use(declared).Spec()
	publish(t, &m, m.NameOf(spec, spec.Secrets[0]), "first", "note")
	text, err := key.Current().Text()
	require.NoError(t, err)
	require.Equal(t, "first", text)
	text, ok := m.Text(authBinding)
	require.True(t, ok)
	require.Equal(t, "first", text)

	require.Nil(t, m.Remove(t.Context(), []string{authBinding}))
	_, err = key.Current().Text()
	require.ErrorIs(t, err, secret.ErrNotFound)
	_, ok = m.Text(authBinding)
	require.False(t, ok)
}

// A state of before never looks like the one of now, whatever happened between.
func TestMemoryPublisherModified(t *testing.T) {
	var m rotate.MemoryPublisher
	seen := map[string]bool{}
	for range 3 {
		publish(t, &m, authBinding, "same", "same")
		found, _ := inspect(t, &m, authBinding)
		require.False(t, seen[found.Modified])
		seen[found.Modified] = true
		require.Nil(t, m.Remove(t.Context(), []string{authBinding}))
	}
}

func TestMemoryPublisherSet(t *testing.T) {
	var m rotate.MemoryPublisher
	m.Set(authBinding, "by hand")
	first, ok := inspect(t, &m, authBinding)
	require.True(t, ok)
	require.Empty(t, first.Note)
	publish(t, &m, authBinding, "ours", "note")
	ours, _ := inspect(t, &m, authBinding)
	m.Set(authBinding, "by hand again")
	again, _ := inspect(t, &m, authBinding)
	require.Equal(t, "note", again.Note)
	require.NotEqual(t, ours.Modified, again.Modified)
	text, _ := m.Text(authBinding)
	require.Equal(t, "by hand again", text)
}

func TestMemoryPublisherFail(t *testing.T) {
	var m rotate.MemoryPublisher
	publish(t, &m, authBinding, "first", "note")
	before, _ := inspect(t, &m, authBinding)
	down := errors.New("503")
	m.Fail(down)
	errs := m.Publish(t.Context(), []rotate.Item{{Name: "A"}, {Name: authBinding, Text: rotate.NewValue("second")}})
	require.Equal(t, []error{down, down}, errs)
	_, err := m.Inspect(t.Context(), []string{authBinding})
	require.Equal(t, down, err)
	require.Equal(t, []error{down}, m.Remove(t.Context(), []string{authBinding}))
	text, err := m.Get(t.Context(), authKey)
	require.NoError(t, err)
	require.Equal(t, "first", text)
	m.Fail(nil)
	after, _ := inspect(t, &m, authBinding)
	require.Equal(t, before, after)
}

func TestMemoryPublisherShowsNothing(t *testing.T) {
	const marker = "Qz7kWv2mXt9RbLp4nHc8"
	var m rotate.MemoryPublisher
	publish(t, &m, authBinding, marker, "note")
	require.Empty(t, leak.Check(&m, marker))
	require.Empty(t, leak.Check(struct{ m *rotate.MemoryPublisher }{&m}, marker))
	require.Equal(t, "memory publisher", m.String())
	require.Equal(t, "memory publisher", fmt.Sprintf("%+d", &m))
}

// A test changes values while the program under test reads them (run it with -race).
func TestMemoryPublisherConcurrently(t *testing.T) {
	var m rotate.MemoryPublisher
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := authBinding + strconv.Itoa(i%2)
			for range 50 {
				m.Publish(context.Background(), []rotate.Item{{Name: name, Text: rotate.NewValue("x"), Note: "n"}})
				_, _ = m.Inspect(context.Background(), []string{name})
				_, _ = m.Text(name)
				_, _ = m.Get(context.Background(), authKey)
				m.Set(name, "y")
				m.Fail(nil)
				m.Remove(context.Background(), []string{name})
				_ = m.String()
			}
		})
	}
	wg.Wait()
}
