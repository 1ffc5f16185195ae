package secret_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestStartReturnsNoStaleValue: MaxStale passes for the good secret while Start
// waits for the other one. Start loads it again at once if there is time, and
// else fails: no read fails after a Start without an error.
func TestStartReturnsNoStaleValue(t *testing.T) {
	for name, tc := range map[string]struct {
		refuses  time.Duration // the store does for so long, for the other secret
		takes    time.Duration // the answer about it then
		deadline bool
		ends     time.Duration // the context, after that answer; 0: much later
		reloads  time.Duration // each later load of the good secret takes so long
		fails    bool
	}{
		"after retries":               {refuses: 20 * time.Second, takes: 4 * time.Second, deadline: true},
		"after retries, to the end":   {refuses: 20 * time.Second, takes: 4 * time.Second, deadline: true, ends: time.Second},
		"after retries, past the end": {20 * time.Second, 4 * time.Second, true, time.Second, 2 * time.Second, true},
		"after the first loads":       {takes: 4 * time.Second, deadline: true},
		"no deadline":                 {takes: 4 * time.Second, fails: true},
		"in time":                     {takes: 2 * time.Second},
	} {
		for _, cache := range []secret.Cache{nil, newEntries()} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, good, other := newProbe(), static("good"), static("other")
					p.set(good, "one")
					p.set(other, "one")
					ctx, cancel := context.WithCancel(t.Context())
					if tc.deadline {
						ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
					}
					defer cancel()
					began := time.Now()
					var answered atomic.Int64 // in nanoseconds; 0: not yet
					p.step(func(_ context.Context, addr secret.Address) error {
						switch {
						case addr == good.Address():
							if answered.Load() != 0 {
								time.Sleep(tc.reloads)
							}
							return nil
						case time.Since(began) < tc.refuses:
							return errRefused
						}
						time.Sleep(tc.takes)
						if tc.ends > 0 {
							time.AfterFunc(tc.ends, cancel)
						}
						answered.Store(time.Now().UnixNano())
						return nil
					})
					o := secret.AppOptions{Store: p, Cache: cache, MaxStale: 3 * time.Second, Logger: silence}
					app := secret.NewApp(o).Use(good, other)
					err := app.Start(ctx)
					if tc.fails {
						require.ErrorContains(t, err, "1 problem with the App's 2 secrets")
						require.ErrorContains(t, err, "$SECRET.app.good: ")
						require.NoError(t, app.Close())
						return
					}
					require.NoError(t, err)
					require.Zero(t, time.Now().UnixNano()-answered.Load(), "no pause: the store is healthy")
					synctest.Wait()
					requireRead(t, "one", good)
					requireRead(t, "one", other)
					require.NoError(t, app.Close())
				})
			})
		}
	}
}

// TestStartFailsForAStaleValueBesideAnOutage: the error has both, and says which
// limit has passed.
func TestStartFailsForAStaleValueBesideAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, good, other := newProbe(), static("good"), static("other")
		p.set(good, "one")
		p.step(func(ctx context.Context, addr secret.Address) error {
			if addr == good.Address() {
				return nil
			}
			return hang(ctx, addr)
		})
		o := secret.AppOptions{Store: p, MaxStale: 3 * time.Second, Logger: silence}
		app := secret.NewApp(o).Use(good, other)
		err := app.Start(t.Context())
		require.ErrorContains(t, err, "$SECRET.app.good: not confirmed for over 3s (AppOptions.MaxStale)")
		require.ErrorContains(t, err, "$SECRET.app.other: no answer from the store within 10s")
		require.NoError(t, app.Close())
	})
}
