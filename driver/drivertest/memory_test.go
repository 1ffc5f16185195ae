package drivertest_test

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
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/secrettest"
)

func TestMemoryPublisherIsAStore(t *testing.T) {
	secrettest.TestStore(t, func(t *testing.T, values map[secret.Address]string) secret.Store {
		m := new(drivertest.MemoryPublisher)
		for addr, text := range values {
			publish(t, m, addr.Binding(), text, "note")
		}
		return m
	})
}

// An App reads a published text after the store's hint, long before its next
// refresh.
func TestMemoryPublisherIsAWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(drivertest.MemoryPublisher)
		publish(t, m, authBinding, "first", "note")
		key := secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})
		app := secret.NewApp(secret.AppOptions{Store: m, Refresh: 24 * time.Hour,
			Logger: slog.New(slog.DiscardHandler)}).Use(key)
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

// A program's tests read the published texts like the program itself, under the
// names that the publisher returns.
func TestMemoryPublisherServesAProgram(t *testing.T) {
	var m drivertest.MemoryPublisher
	key := secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Store: &m})
	_, err := key.Current().Text()
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.ErrorContains(t, err, authBinding)

	publish(t, &m, m.NameOf(driver.Names{
		Address: "$SECRET.auth.session-key", Binding: authBinding, SecretName: "lo_5f"}), "first", "note")
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

// No Modified ever returns, not even after a removal.
func TestMemoryPublisherModified(t *testing.T) {
	var m drivertest.MemoryPublisher
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
	var m drivertest.MemoryPublisher
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
	var m drivertest.MemoryPublisher
	publish(t, &m, authBinding, "first", "note")
	before, _ := inspect(t, &m, authBinding)
	down := errors.New("503")
	m.Fail(down)
	errs := m.Publish(t.Context(), []driver.Item{{Name: "A"}, {Name: authBinding, Text: driver.NewValue("second")}})
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
	var m drivertest.MemoryPublisher
	publish(t, &m, authBinding, marker, "note")
	require.Empty(t, redacttest.Check(&m, marker))
	require.Empty(t, redacttest.Check(struct{ m *drivertest.MemoryPublisher }{&m}, marker))
	require.Equal(t, "memory publisher", m.String())
	require.Equal(t, "memory publisher", fmt.Sprintf("%+d", &m))
}

// A test changes values while the program under test reads them (run it with
// -race).
func TestMemoryPublisherConcurrently(t *testing.T) {
	var m drivertest.MemoryPublisher
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := authBinding + strconv.Itoa(i%2)
			for range 50 {
				m.Publish(context.Background(), []driver.Item{{Name: name, Text: driver.NewValue("x"), Note: "n"}})
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

var (
	authKey     = secret.Address{Namespace: "auth", Name: "session-key"}
	authBinding = authKey.Binding()
)

func publish(t *testing.T, m *drivertest.MemoryPublisher, name, text, note string) {
	t.Helper()
	require.Nil(t, m.Publish(t.Context(), []driver.Item{{Name: name, Text: driver.NewValue(text), Note: note}}))
}

func inspect(t *testing.T, m *drivertest.MemoryPublisher, name string) (driver.Published, bool) {
	t.Helper()
	found, err := m.Inspect(t.Context(), []string{name})
	require.NoError(t, err)
	p, ok := found[name]
	return p, ok
}

func TestMemoryPublisherKeepsThePromisesOfAPublisher(t *testing.T) {
	drivertest.TestPublisher(t, func(*testing.T) (driver.Publisher, func(string) (string, bool)) {
		m := new(drivertest.MemoryPublisher)
		return m, m.Text
	})
}
