package secret_test

import (
	"context"
	"strconv"
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

// TestHealthyStoreIsNotReplaced: a queue that takes longer than one request may
// says nothing about the store. Start takes the new values.
func TestHealthyStoreIsNotReplaced(t *testing.T) {
	for _, takes := range []time.Duration{100 * time.Millisecond, 110 * time.Millisecond, 299 * time.Millisecond} {
		for name, deadline := range map[string]time.Duration{"no deadline": 0, "a deadline": time.Minute} {
			t.Run(takes.String()+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, c, log := newProbe(), newEntries(), new(logged)
					o := secret.AppOptions{Store: p, Cache: c, Concurrency: 2, Timeout: 300 * time.Millisecond,
						Refresh: time.Hour, Logger: log.logger()}
					secrets := declaredAgain(8)
					for _, s := range secrets {
						p.set(s, "old")
					}
					ran(t, o, secrets...)
					secrets = declaredAgain(8)
					for _, s := range secrets {
						p.set(s, "new")
					}
					before := p.gets()
					p.step(func(context.Context, secret.Address) error { time.Sleep(takes); return nil })
					ctx, cancel := context.WithCancel(t.Context())
					if deadline > 0 {
						ctx, cancel = context.WithTimeout(t.Context(), deadline)
					}
					defer cancel()
					began := time.Now()
					app := secret.NewApp(o).Use(secrets...)
					require.NoError(t, app.Start(ctx))
					require.Equal(t, 4*takes, time.Since(began))
					for _, s := range secrets {
						requireRead(t, "new", s)
						require.Zero(t, statusOf(t, app, s).CachedAt)
					}
					require.Equal(t, 8, p.gets()-before)
					require.Empty(t, log.lines())
					require.NoError(t, app.Close())
				})
			})
		}
	}
}

// TestOnlyTheStoreOutOfReachIsReplaced: of two stores with one queue, one hangs
// or fails late. The cache has its values, after about one Timeout, and the
// other store the new ones. A secret without an entry is asked for nevertheless.
func TestOnlyTheStoreOutOfReachIsReplaced(t *testing.T) {
	const limit = 900 * time.Millisecond
	for name, down := range map[string]func(context.Context, secret.Address) error{
		"hangs":      hang,
		"fails late": func(context.Context, secret.Address) error { time.Sleep(limit / 2); return errRefused },
	} {
		for kind, wrap := range map[string]func(secret.Store) secret.Store{
			"comparable":     func(s secret.Store) secret.Store { return s },
			"not comparable": func(s secret.Store) secret.Store { return listed{s} },
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ill, well, c := newProbe(), newProbe(), newEntries()
					o := secret.AppOptions{Store: wrap(ill), Cache: c, Concurrency: 4, Timeout: limit, Logger: silence}
					declare := func(text string) (bad, good []*secret.Secret) {
						bad = declaredAgain(100)
						for i, s := range bad {
							ill.set(s, text)
							one := secret.Static(secret.Options{Namespace: "app", Name: "w" + strconv.Itoa(i), Store: well})
							well.set(one, text)
							good = append(good, one)
						}
						return bad, good
					}
					bad, good := declare("old")
					ran(t, o, append(bad, good...)...)
					bad, good = declare("new")
					ill.step(down)
					well.step(func(context.Context, secret.Address) error { time.Sleep(time.Millisecond); return nil })
					app := secret.NewApp(o).Use(append(bad, good...)...)
					began := time.Now()
					require.NoError(t, app.Start(t.Context()))
					require.Less(t, time.Since(began), limit+100*time.Millisecond)
					for i := range bad {
						requireRead(t, "old", bad[i])
						require.NotZero(t, statusOf(t, app, bad[i]).CachedAt)
						require.Contains(t, statusOf(t, app, bad[i]).LastError, map[string]string{
							"hangs": "no answer from the store within 900ms", "fails late": "connection refused"}[name])
						requireRead(t, "new", good[i])
						require.Zero(t, statusOf(t, app, good[i]).CachedAt)
					}
					require.NoError(t, app.Close())

					ill.step(func(ctx context.Context, addr secret.Address) error {
						if addr.Name == "last" {
							return nil
						}
						return down(ctx, addr)
					})
					last := static("last")
					ill.set(last, "new")
					bad = declaredAgain(100)
					app = secret.NewApp(o).Use(append(bad, last)...)
					requireStart(t, app)
					requireRead(t, "old", bad[0])
					requireRead(t, "new", last)
				})
			})
		}
	}
}

// listed is a store that == panics for.
type listed []secret.Store

func (l listed) Get(ctx context.Context, addr secret.Address) (string, error) {
	return l[0].Get(ctx, addr)
}
