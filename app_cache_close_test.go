package secret_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestCloseDoesNotWaitForASlowCache longer than for other work, and does not call
// it a store.
func TestCloseDoesNotWaitForASlowCache(t *testing.T) {
	for _, takes := range []time.Duration{time.Second, 3 * time.Second, 4900 * time.Millisecond, 4999 * time.Millisecond,
		5 * time.Second, time.Minute} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := newProbe(), newEntries()
				secrets := declaredAgain(100)
				for _, s := range secrets {
					p.set(s, "one")
				}
				c.step(nil, func(ctx context.Context, _ secret.Address) error {
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(takes):
						return nil
					}
				})
				app := secret.NewApp(secret.AppOptions{Store: p, Cache: c, Logger: silence}).Use(secrets...)
				require.NoError(t, app.Start(t.Context()))
				time.Sleep(takes / 2)
				began := time.Now()
				require.NoError(t, app.Close())
				require.Less(t, time.Since(began), 10*time.Second)
			})
		})
	}
}

// TestCacheThatNeverReturns has a bounded number of calls, however many secrets
// there are.
func TestCacheThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := newProbe(), newEntries()
		secrets := declaredAgain(100)
		for _, s := range secrets {
			p.set(s, "one")
		}
		gate := make(chan struct{})
		c.step(nil, until(gate))
		app := secret.NewApp(secret.AppOptions{Store: p, Cache: c, Logger: silence}).Use(secrets...)
		require.NoError(t, app.Start(t.Context()))
		time.Sleep(3 * time.Hour)
		c.mu.Lock()
		require.LessOrEqual(t, len(c.puts), 16)
		c.mu.Unlock()
		close(gate)
		time.Sleep(6 * time.Minute)
		require.NoError(t, app.Close())
		require.Len(t, c.of, 100, "it is used again")
	})
}

// TestEntryOfTheProcessBefore is written anew at its own age, not at that of the
// process.
func TestEntryOfTheProcessBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s := newProbe(), newEntries(), static("key")
		p.set(s, "one")
		o := secret.AppOptions{Store: p, Cache: c, Refresh: 20 * time.Second, Logger: silence}
		ran(t, o, s)
		time.Sleep(4 * time.Minute)
		app := secret.NewApp(o).Use(static("key"))
		require.NoError(t, app.Start(t.Context()))
		synctest.Wait()
		require.Equal(t, 1, c.written(s))
		time.Sleep(90 * time.Second)
		require.Equal(t, 2, c.written(s))
		require.NoError(t, app.Close())
	})
}
