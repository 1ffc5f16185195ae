package secret_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// answerer is GetAll.
type answerer = func(context.Context, []secret.Address) (map[secret.Address]string, error)

// declaredAgain returns n declarations, as another process has them.
func declaredAgain(n int) []*secret.Secret {
	names := make([]string, n)
	for i := range names {
		names[i] = "n" + strconv.Itoa(i)
	}
	return restarted(names...)
}

// half returns the answer for the even addresses, with an error for the others
// that it has after wait.
func (m *many) half(wait func(context.Context) error) answerer {
	return func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
		var even []secret.Address
		for _, addr := range addrs {
			if (addr.Name[len(addr.Name)-1]-'0')%2 == 0 {
				even = append(even, addr)
			}
		}
		err := wait(ctx)
		found, _ := m.present(context.WithoutCancel(ctx), even)
		return found, err
	}
}

// TestBatchStartsFromTheCache: 1,000 secrets of one BatchStore, which is out of
// reach in every way. Start asks once. The texts in an answer count, and the
// cache has the others. When the store is back, one request reads them all.
func TestBatchStartsFromTheCache(t *testing.T) {
	const timeout = 900 * time.Millisecond
	for name, tc := range map[string]struct {
		down  func(m *many, gate <-chan struct{}) answerer
		fresh bool          // the even secrets are
		takes time.Duration // at most
	}{
		"refuses": {func(*many, <-chan struct{}) answerer {
			return func(context.Context, []secret.Address) (map[secret.Address]string, error) { return nil, errRefused }
		}, false, 0},
		"panics": {func(*many, <-chan struct{}) answerer {
			return func(context.Context, []secret.Address) (map[secret.Address]string, error) { panic(marker) }
		}, false, 0},
		"hangs": {func(*many, <-chan struct{}) answerer {
			return func(ctx context.Context, _ []secret.Address) (map[secret.Address]string, error) {
				return nil, hang(ctx, secret.Address{})
			}
		}, false, timeout},
		"ignores its context": {func(m *many, gate <-chan struct{}) answerer { return held(m, gate) }, false,
			timeout + timeout/10},
		"answers half": {func(m *many, _ <-chan struct{}) answerer {
			return m.half(func(context.Context) error { return errRefused })
		}, true, 0},
		"answers half, then hangs": {func(m *many, _ <-chan struct{}) answerer {
			return m.half(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		}, true, timeout},
		"answers half, soon after its context ends": {func(m *many, _ <-chan struct{}) answerer {
			return m.half(func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(10 * time.Millisecond)
				return ctx.Err()
			})
		}, true, timeout + 10*time.Millisecond},
	} {
		for _, deadline := range []time.Duration{0, time.Hour} {
			t.Run(name+", deadline "+deadline.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, c := newMany(), newEntries()
					o := secret.AppOptions{Store: m, Cache: c, Logger: silence, Timeout: timeout}
					ran(t, o, m.declared(1000)...)
					m.asked()
					secrets := declaredAgain(1000)
					for _, s := range secrets {
						m.set(s, "two")
					}
					gate := make(chan struct{})
					m.answers(tc.down(m, gate))
					ctx, cancel := context.WithCancel(t.Context())
					if deadline > 0 {
						ctx, cancel = context.WithTimeout(t.Context(), deadline)
					}
					defer cancel()
					app := secret.NewApp(o).Use(secrets...)
					began := time.Now()
					require.NoError(t, app.Start(ctx))
					require.LessOrEqual(t, time.Since(began), tc.takes)
					require.Equal(t, []int{1000}, m.asked())
					for i, s := range secrets {
						want := "one"
						if tc.fresh && i%2 == 0 {
							want = "two"
						}
						requireRead(t, want, s)
					}
					for _, st := range app.Status().Secrets {
						last := st.Address.Name[len(st.Address.Name)-1] - '0'
						require.Equal(t, !tc.fresh || last%2 == 1, !st.CachedAt.IsZero(), st.Address)
					}
					close(gate)
					m.answers(m.present)
					time.Sleep(1100 * time.Millisecond)
					for _, s := range secrets {
						requireRead(t, "two", s)
					}
					require.Len(t, m.asked(), 1, "all follow the store in one request")
					require.Zero(t, m.gets())
					for _, st := range app.Status().Secrets {
						require.Zero(t, st.CachedAt)
						require.Zero(t, st.StaleSince)
					}
					require.NoError(t, app.Close())
				})
			})
		}
	}
}

// TestStartRetriesABatch: each attempt is one GetAll for all secrets that have
// failed, and no more than these.
func TestStartRetriesABatch(t *testing.T) {
	for name, cached := range map[string]bool{"no cache": false, "an empty cache": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMany()
				secrets := m.declared(100)
				o := secret.AppOptions{Store: m, Logger: silence}
				if cached {
					o.Cache = newEntries()
				}
				app := secret.NewApp(o).Use(secrets...)
				m.answers(func(context.Context, []secret.Address) (map[secret.Address]string, error) {
					return nil, errRefused
				})
				time.AfterFunc(10*time.Second, func() {
					m.answers(m.half(func(context.Context) error { return errRefused }))
				})
				time.AfterFunc(30*time.Second, func() { m.answers(m.present) })
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				require.NoError(t, app.Start(ctx))
				require.InDelta(t, 32, time.Since(began).Seconds(), 4)
				sizes := m.asked()
				require.Equal(t, len(sizes), count(sizes, 100)+count(sizes, 50))
				require.Greater(t, count(sizes, 100), 3)
				require.Greater(t, count(sizes, 50), 2)
				require.Less(t, len(sizes), 30)
				require.True(t, slices.IsSortedFunc(sizes, func(a, b int) int { return b - a }), sizes)
				require.Zero(t, m.gets())
				require.NoError(t, app.Close())
			})
		})
	}
}

// TestStartWaitsForABatchUnderWay: Start stops waiting for it to use the cache,
// then takes its answer, and does not ask again. It asks again for the secrets
// that the answer lacks, if there is time.
func TestStartWaitsForABatchUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := newMany(), newEntries()
		kept := m.declared(3)
		o := secret.AppOptions{Store: m, Cache: c, Logger: silence}
		ran(t, o, kept...)
		start := func(limit time.Duration) ([]*secret.Secret, *secret.App, error) {
			secrets := m.declared(10)
			m.asked()
			app := secret.NewApp(o).Use(secrets...)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			err := app.Start(ctx)
			return secrets, app, err
		}
		slow := func(context.Context) error { time.Sleep(2950 * time.Millisecond); return nil }
		m.answers(func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
			_ = slow(ctx)
			return m.present(ctx, addrs)
		})
		secrets, app, err := start(3 * time.Second)
		require.NoError(t, err)
		require.Equal(t, []int{10}, m.asked())
		requireRead(t, "one", secrets[9])
		require.NotZero(t, app.Status().Secrets[0].CachedAt)
		require.Zero(t, app.Status().Secrets[9].CachedAt)
		require.NoError(t, app.Close())

		c = newEntries()
		o.Cache = c
		m.answers(m.half(func(ctx context.Context) error { _ = slow(ctx); return errRefused }))
		_, _, err = start(3 * time.Second)
		require.ErrorIs(t, err, errRefused)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "5 problems with the App's 10 secrets")
		require.Equal(t, []int{10}, m.asked())
		synctest.Wait()
		require.Len(t, c.of, 5, "what the store has confirmed is kept")
	})
}

// TestBatchAnswersInSpiteOfTheCache: an answer about one secret counts like one
// for all.
func TestBatchAnswersInSpiteOfTheCache(t *testing.T) {
	for name, tc := range map[string]struct{ err, wants error }{
		"not found": {&secret.Error{Address: static("n1").Address(), Err: secret.ErrNotFound}, secret.ErrNotFound},
		"refused":   {&secret.Error{Address: static("n1").Address(), Err: errAccess}, errAccess},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c := newMany(), newEntries()
				o := secret.AppOptions{Store: m, Cache: c, Logger: silence}
				ran(t, o, m.declared(3)...)
				m.asked()
				m.answers(func(context.Context, []secret.Address) (map[secret.Address]string, error) {
					return nil, errors.Join(tc.err, errRefused)
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				err := secret.NewApp(o).Use(declaredAgain(3)...).Start(ctx)
				require.ErrorIs(t, err, tc.wants)
				require.ErrorIs(t, err, errRefused)
				require.Equal(t, []int{3}, m.asked())
			})
		})
	}
}

var errAccess = &fs.PathError{Op: "read", Path: "key", Err: fs.ErrPermission}
