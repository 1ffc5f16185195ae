package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

// polled is a store that reports no changes, so each machine has the copy of
// its last refresh.
type polled struct{ store *secret.Memory }

func (p polled) Get(ctx context.Context, a secret.Address) (string, error) {
	return p.store.Get(ctx, a)
}

// machine returns an issuer with its own copy of the seed, of at most that age.
func machine(t *testing.T, store *secret.Memory, window, age time.Duration) issuer {
	t.Helper()
	seed := tokenSeed.With(polled{store})
	app := secret.NewApp(secret.AppOptions{Refresh: age, Logger: slog.New(slog.DiscardHandler)}).Use(seed)
	require.NoError(t, app.Start(ctx))
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	return issuer{seed, window}
}

// issued is a token that must be accepted until its end.
type issued struct {
	token string
	end   time.Time
}

// TestTokensSurviveRotationsUnderLoad has three issuing machines, whose copies
// are up to a quarter of the window old, and two services that have only a key
// set, in a cache. While the seed is rotated twice, all issue and verify
// concurrently. No token is refused before its end, and no service asks for a
// key set before the former one is stale: the cache headers fit the window.
func TestTokensSurviveRotationsUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window, overlap = time.Hour, 2 * time.Hour
		_, store := stored(seedOf("1"))
		machines := []issuer{machine(t, store, window, time.Minute), machine(t, store, window, 5*time.Minute),
			machine(t, store, window, window/4)}
		var early, fetches atomic.Int64
		lookups := []lookup{machines[0].find, machines[1].find, machines[2].find}
		for _, m := range machines[1:] {
			from := m.handler()
			lookups = append(lookups, newRemote("http://login"+keySetPath, responses(http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					fetches.Add(1)
					if r.Header.Get("Cache-Control") != "" {
						early.Add(1)
					}
					from.ServeHTTP(w, r)
				}))).find)
		}

		var signedBy sync.Map
		var accepted atomic.Int64
		stop := make(chan struct{})
		var workers sync.WaitGroup
		for w := range 4 {
			workers.Go(func() {
				random := rand.New(rand.NewPCG(18, uint64(w)))
				var all []issued
				for {
					select {
					case <-stop:
						return
					default:
					}
					token, err := machines[random.IntN(len(machines))].issue(ctx, "ann")
					if err != nil {
						t.Error(err)
						return
					}
					all = append(all, issued{token, time.Now().Add(tokenLife).Truncate(time.Second)})
					all = slices.DeleteFunc(all, func(i issued) bool { return !time.Now().Before(i.end) })
					for _, i := range []issued{all[len(all)-1], all[random.IntN(len(all))]} {
						for n, find := range lookups {
							c, kid, err := verify(ctx, i.token, find)
							if err != nil || c.Subject != "ann" {
								t.Errorf("verifier %d, at %v: %v", n, time.Now(), err)
								return
							}
							signedBy.Store(kid, true)
							accepted.Add(1)
						}
					}
					time.Sleep(2 * time.Minute) // all wake together, with the operator and the Apps
				}
			})
		}

		operator := machines[0].seed
		for rotation := range 2 {
			time.Sleep(30 * time.Minute)
			secrettest.Announce(t, store, operator, seedOf(strconv.Itoa(rotation+2)), time.Now().Add(window))
			time.Sleep(window)
			secrettest.Flip(t, store, operator, overlap)
			time.Sleep(overlap)
			secrettest.Prune(t, store, operator)
			time.Sleep(30 * time.Minute)
		}
		close(stop)
		workers.Wait()

		ids := []string{}
		signedBy.Range(func(id, _ any) bool { ids = append(ids, id.(string)); return true })
		slices.Sort(ids)
		require.Equal(t, []string{"v1", "v2", "v3"}, ids)
		require.Greater(t, accepted.Load(), int64(5_000))
		require.Zero(t, early.Load(), "a service met a key that its set did not have")
		require.LessOrEqual(t, fetches.Load(), int64(2*(8*4+4)), "one request in a quarter of the window")
		doc, err := operator.Load(ctx)
		require.NoError(t, err)
		require.Len(t, slices.Collect(doc.All()), 1, "v1 and v2 were pruned")
	})
}

// TestExpiredKeySignsNothing: no verifier would accept the token.
func TestExpiredKeySignsNothing(t *testing.T) {
	seed, _ := stored("current=v1;v1=" + seedOf("1") + ";v1_expires=2026-01-01T00:00:00Z")
	_, err := issuer{seed, time.Hour}.issue(ctx, "ann")
	require.ErrorIs(t, err, secret.ErrNotActive)
}

// TestForcedRotationIsFollowed: after rotate --immediate each machine and each
// service asks once for the key that it has not read.
func TestForcedRotationIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, store := stored(seedOf("1"))
		fast, slow := machine(t, store, time.Hour, time.Second), machine(t, store, time.Hour, -1)
		var fetches atomic.Int64
		service := newRemote("http://login"+keySetPath, responses(http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) {
				fetches.Add(1)
				fast.handler().ServeHTTP(w, r)
			})))
		token, err := slow.issue(ctx, "ann")
		require.NoError(t, err)
		_, _, err = verify(ctx, token, service.find)
		require.NoError(t, err)

		secrettest.Announce(t, store, fast.seed, seedOf("2"), time.Now())
		secrettest.Flip(t, store, fast.seed, time.Hour)
		time.Sleep(10 * time.Second)
		token, err = fast.issue(ctx, "ann")
		require.NoError(t, err)
		for _, find := range []lookup{slow.find, service.find} {
			_, kid, err := verify(ctx, token, find)
			require.NoError(t, err)
			require.Equal(t, "v2", kid)
		}
		require.EqualValues(t, 2, fetches.Load())
	})
}
