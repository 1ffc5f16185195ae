package secret_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestStartWaitsForLoadsUnderWay: as for a batch, for each secret, in any order
// in which they end.
func TestStartWaitsForLoadsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, secrets := newProbe(), restarted("a", "b", "c")
		takes := map[string]time.Duration{"a": 2900, "b": 2750, "c": 2950}
		for _, s := range secrets {
			p.set(s, "one")
		}
		p.step(func(_ context.Context, addr secret.Address) error {
			time.Sleep(takes[addr.Name] * time.Millisecond)
			return nil
		})
		c := newEntries()
		c.step(func(context.Context, secret.Address) error { time.Sleep(100 * time.Millisecond); return nil }, nil)
		app := secret.NewApp(secret.AppOptions{Store: p, Cache: c, Logger: silence}).Use(secrets...)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.NoError(t, app.Start(ctx))
		require.Equal(t, 3, p.gets())
		require.NoError(t, app.Close())
	})
}

// TestRetriesAreLogged: also where the first loads were cut short for the cache.
func TestRetriesAreLogged(t *testing.T) {
	for name, down := range map[string]func(context.Context, secret.Address) error{"refuses": refuse, "hangs": hang,
		"returns late": func(ctx context.Context, addr secret.Address) error {
			defer time.Sleep(time.Second)
			return hang(ctx, addr)
		}} {
		for _, cache := range []secret.Cache{nil, newEntries()} {
			synctest.Test(t, func(t *testing.T) {
				p, s, log := newProbe(), static("key"), new(logged)
				p.step(down)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				o := secret.AppOptions{Store: p, Cache: cache, Logger: log.logger()}
				app := secret.NewApp(o).Use(s)
				require.Error(t, app.Start(ctx))
				require.NoError(t, app.Close())
				lines := log.lines()
				require.Len(t, lines, 1, name)
				require.Contains(t, lines[0], "Start tries again")
			})
		}
	}
}

// TestReadDuringARecallIsNoOutage: a read that loads the secret while Start reads
// the cache is the newer answer, so there is no outage of the secret.
func TestReadDuringARecallIsNoOutage(t *testing.T) {
	for name, declare := range map[string]func(string) *secret.Secret{"a value": static, "no value": optional} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c, s := newProbe(), newEntries(), declare("key")
				if name == "a value" {
					p.set(s, "one")
				}
				o := secret.AppOptions{Store: p, Cache: c, Refresh: time.Hour, Logger: silence}
				ran(t, o, s)
				gate := make(chan struct{})
				c.step(until(gate), nil)
				p.step(refuse)
				s = declare("key")
				app := secret.NewApp(o).Use(s)
				started := make(chan error)
				go func() { started <- app.Start(context.Background()) }()
				time.Sleep(time.Millisecond)
				p.step(nil)
				if err := s.Refresh(t.Context()); !errors.Is(err, secret.ErrNotFound) {
					require.NoError(t, err)
				}
				close(gate)
				require.NoError(t, <-started)
				st := statusOf(t, app, s)
				require.Zero(t, st.StaleSince)
				require.Zero(t, st.CachedAt)
				require.Empty(t, st.LastError)
				require.NoError(t, app.Close())
			})
		})
	}
}

// TestCachedAtOfASecondStart: a Start that fails for another secret does not make
// a value from the cache one that this process has loaded.
func TestCachedAtOfASecondStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s, key := newProbe(), newEntries(), static("key"), static("other")
		p.set(s, "one")
		p.set(key, "k")
		o := secret.AppOptions{Store: p, Cache: c, Logger: silence}
		ran(t, o, s)
		confirmed := time.Now()
		time.Sleep(time.Hour)
		p.step(refuse)
		s = static("key")
		app := secret.NewApp(o).Use(s, key)
		require.ErrorIs(t, app.Start(t.Context()), errRefused)
		p.step(func(_ context.Context, addr secret.Address) error {
			if addr == s.Address() {
				return errRefused
			}
			return nil
		})
		requireStart(t, app)
		require.Equal(t, confirmed.UTC(), statusOf(t, app, s).CachedAt)
		require.Equal(t, 1, c.written(s))
	})
}

// TestMaxStaleDuringStart: after retries that take longer than MaxStale, no read
// returns a value that was confirmed before.
func TestMaxStaleDuringStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s, cached, key := newProbe(), newEntries(), static("good"), static("cached"), static("key")
		for _, one := range []*secret.Secret{s, cached, key} {
			p.set(one, "one")
		}
		o := secret.AppOptions{Store: p, Cache: c, MaxStale: 10 * time.Minute, Logger: silence}
		ran(t, o, cached)
		p.step(func(_ context.Context, addr secret.Address) error {
			if addr != s.Address() {
				return errRefused
			}
			return nil
		})
		time.AfterFunc(time.Hour, func() { p.step(nil) })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		secrets := restarted("good", "cached", "key")
		app := secret.NewApp(o).Use(secrets...)
		require.NoError(t, app.Start(ctx))
		synctest.Wait()
		for _, one := range secrets {
			requireRead(t, "one", one)
		}
		for _, st := range app.Status().Secrets {
			require.Less(t, time.Since(st.LastSuccess), 10*time.Minute)
		}
		require.NoError(t, app.Close())
	})
}
