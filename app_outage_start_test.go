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

// TestStartEndsWithoutADeadline: also if the store ignores its context, there are
// more secrets than places, and the cache has no entries. All waits for loads
// under way take the time of one.
func TestStartEndsWithoutADeadline(t *testing.T) {
	const limit = time.Second
	for name, deadline := range map[string]time.Duration{"no deadline": 0, "a deadline": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, gate := newProbe(), make(chan struct{})
				p.step(until(gate))
				o := secret.AppOptions{Store: p, Cache: newEntries(), Concurrency: 8, Timeout: limit, Logger: silence}
				app := secret.NewApp(o).Use(declaredAgain(9)...)
				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour) // a failure, not a deadlock
				if deadline > 0 {
					ctx, cancel = context.WithTimeout(t.Context(), deadline)
				}
				defer cancel()
				if deadline == 0 {
					ctx = noDeadline{ctx}
				}
				began := time.Now()
				err := app.Start(ctx)
				took := time.Since(began)
				close(gate)
				require.NoError(t, app.Close())
				require.ErrorContains(t, err, "9 problems with the App's 9 secrets")
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, "no answer from the store within 1s")
				if deadline > 0 {
					require.Equal(t, deadline, took)
				} else {
					require.LessOrEqual(t, took, 3*limit)
				}
			})
		})
	}
}

// TestStartRetriesWhereALoadNeverEnds: a load that never ends takes its own limit
// from Start, and not the rest of the time.
func TestStartRetriesWhereALoadNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, stuck, other := newProbe(), make(chan struct{}), static("stuck"), static("other")
		p.set(other, "one")
		p.step(func(ctx context.Context, addr secret.Address) error {
			if addr == stuck.Address() {
				return until(gate)(ctx, addr)
			}
			return errRefused
		})
		o := secret.AppOptions{Store: p, Cache: newEntries(), Timeout: time.Second, Logger: silence}
		app := secret.NewApp(o).Use(stuck, other)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err, asked := app.Start(ctx), p.gets(other)
		close(gate)
		require.NoError(t, app.Close())
		require.ErrorIs(t, err, errRefused)
		require.Greater(t, asked, 5)
	})
}

// noDeadline is a context that ends, and does not say so.
type noDeadline struct{ context.Context }

func (noDeadline) Deadline() (end time.Time, ok bool) { return end, false }
