package secret_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

// TestOneAppHoldsASecret: until it is closed, or its Start has failed; Use
// alone takes nothing from it.
func TestOneAppHoldsASecret(t *testing.T) {
	s, missing := static("key"), static("missing")
	stores := [2]*probe{newProbe(), newProbe()}
	stores[0].set(s, "of the first")
	stores[1].set(s, "of the second")
	first := secret.NewApp(secret.AppOptions{Store: stores[0], Refresh: -1}).Use(s)
	second := secret.NewApp(secret.AppOptions{Store: stores[1], Refresh: -1, Logger: silence}).Use(s, missing)
	require.NoError(t, first.Start(context.Background()), "the second has not started")
	second.Use(s)
	requireRead(t, "of the first", s)
	err := second.Start(context.Background())
	require.ErrorIs(t, err, secret.ErrInvalid)
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.ErrorContains(t, err, "$SECRET.app.key: invalid: in use by another App")
	requireRead(t, "of the first", s)
	require.NoError(t, s.Refresh(context.Background()))
	requireRead(t, "of the first", s)

	require.NoError(t, first.Close())
	require.NoError(t, first.Close())
	requireRead(t, "of the first", s)
	asked := stores[0].gets() + stores[1].gets(s)
	require.ErrorIs(t, second.Start(context.Background()), secret.ErrNotFound)
	require.Equal(t, asked+1, stores[0].gets()+stores[1].gets(s))
	third := secret.NewApp(secret.AppOptions{Store: stores[0], Refresh: -1}).Use(s)
	requireStart(t, third) // the second's Start has failed and holds nothing
	require.ErrorContains(t, second.Start(context.Background()), "in use by another App")
	require.NoError(t, second.Close())
	requireRead(t, "of the first", s)
}

// TestSwappedSecretStaysSwapped: if a test swaps a secret that an App was given
// before, reads return the test's value, also after Start, and the original
// store is not asked.
func TestSwappedSecretStaysSwapped(t *testing.T) {
	p, s, twin, other := newProbe(), static("key"), static("key"), static("other")
	p.set(s, "not for tests")
	p.set(other, "untouched")
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1}).Use(s, twin, other)
	store := secret.NewMemory(map[string]string{"$SECRET.app.key": "swapped"})
	t.Run("in a test", func(t *testing.T) {
		secrettest.Swap(t, store, s, twin)
		requireStart(t, app)
		for _, one := range []*secret.Secret{s, twin} {
			requireRead(t, "swapped", one)
		}
		store.Set("$SECRET.app.key", "again")
		require.NoError(t, app.Refresh(context.Background()))
		requireRead(t, "again", twin)
		requireRead(t, "untouched", other)
		require.Zero(t, p.gets(s))
		require.Len(t, app.Status().Secrets, 2)
	})
	later := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1}).Use(s, twin)
	requireStart(t, later)
	requireRead(t, "not for tests", s)
	requireRead(t, "not for tests", twin)
}

// TestClosedAppWritesNoMore: a late answer to an App that was closed does not
// reach reads under the App that holds the secret now.
func TestClosedAppWritesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := static("key")
		stores := [2]*probe{newProbe(), newProbe()}
		stores[0].set(s, "old")
		stores[1].set(s, "new")
		first := secret.NewApp(secret.AppOptions{Store: stores[0], Logger: silence}).Use(s)
		require.NoError(t, first.Start(context.Background()))
		gate := make(chan struct{})
		stores[0].step(until(gate))
		time.Sleep(67 * time.Second)
		stores[0].set(s, "older")
		began := time.Now()
		err := first.Close()
		require.ErrorContains(t, err, "secret: close: a store has not come back")
		require.Equal(t, 10*time.Second, time.Since(began), "AppOptions.Timeout")
		requireRead(t, "old", s)
		second := secret.NewApp(secret.AppOptions{Store: stores[1], Refresh: -1}).Use(s)
		require.NoError(t, second.Start(context.Background()))
		close(gate)
		synctest.Wait()
		requireRead(t, "new", s)
		require.NoError(t, second.Close())
	})
}

// TestCloseEndsLoads: a store that obeys its context does not delay Close, and
// its interrupted load is not logged as a failure.
func TestCloseEndsLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, "one")
		var log logged
		app := secret.NewApp(secret.AppOptions{Store: p, Logger: log.logger(), Timeout: time.Minute}).Use(s)
		require.NoError(t, app.Start(context.Background()))
		p.step(hang)
		time.Sleep(67 * time.Second)
		require.Equal(t, 2, p.gets())
		began := time.Now()
		require.NoError(t, app.Close())
		require.Zero(t, time.Since(began))
		require.Empty(t, log.lines())
		time.Sleep(time.Hour)
		require.Equal(t, 2, p.gets())
		p.step(nil)
		p.set(s, "two")
		requireRead(t, "one", s)
		require.NoError(t, s.Refresh(context.Background()))
		requireRead(t, "two", s)
	})
}

// TestCloseWithoutStart ends a first read that is under way, and holds nothing.
func TestCloseWithoutStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, secret.NewApp(secret.AppOptions{}).Close())
		p, s := newProbe(), static("key")
		p.step(hang)
		app := secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(s)
		read := make(chan error)
		go func() {
			_, err := s.Load(context.Background())
			read <- err
		}()
		synctest.Wait()
		began := time.Now()
		require.NoError(t, app.Close())
		require.ErrorContains(t, <-read, "the App was closed")
		require.Zero(t, time.Since(began))
		p.step(nil)
		p.set(s, "one")
		requireRead(t, "one", s)
	})
}

// TestAppsInTurns: Apps that start and close concurrently on the same secrets
// never hold one together, and every read returns a value from a store that was
// asked.
func TestAppsInTurns(t *testing.T) {
	secrets := []*secret.Secret{static("a"), static("b"), static("c")}
	var holders, most, started atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				p := newProbe()
				for _, s := range secrets {
					p.set(s, "text")
				}
				app := secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(secrets...)
				if app.Start(context.Background()) == nil {
					started.Add(1)
					if n := holders.Add(1); n > most.Load() {
						most.Store(n)
					}
					for _, s := range secrets {
						if text, err := s.Current().Text(); err != nil || text != "text" {
							t.Errorf("read %q, %v", text, err)
						}
						_ = s.Refresh(context.Background())
					}
					holders.Add(-1)
				}
				if err := app.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Positive(t, started.Load())
	require.Equal(t, int32(1), most.Load())
}
