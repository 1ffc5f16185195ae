package secret_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// telling is a probe that is a Watcher: the test supplies its Watch.
type telling struct {
	*probe
	watch func(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error

	mu     sync.Mutex
	begins []time.Time
	now    int // Watches under way
	most   int
}

// newTelling reports the changes in its memory.
func newTelling() *telling {
	w := &telling{probe: newProbe()}
	w.watch = w.texts.Watch
	return w
}

func (w *telling) Watch(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
	w.mu.Lock()
	w.begins = append(w.begins, time.Now())
	w.now++
	w.most = max(w.most, w.now)
	watch := w.watch
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.now--
		w.mu.Unlock()
	}()
	return watch(ctx, addrs, changed)
}

func (w *telling) begun() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Time(nil), w.begins...)
}

func (w *telling) tell(how func(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch = how
}

// TestWatchedChangeIsFollowedSoon: within a second, by 100 secrets at moments
// spread over it.
func TestWatchedChangeIsFollowedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTelling()
		secrets := make([]*secret.Secret, 100)
		for i := range secrets {
			secrets[i] = static("n" + strconv.Itoa(i))
			w.set(secrets[i], "one")
		}
		requireStart(t, secret.NewApp(secret.AppOptions{Store: w, Logger: silence}).Use(secrets...))
		time.Sleep(2 * time.Second) // the first hints
		require.Equal(t, 200, w.gets())
		require.Len(t, w.begun(), 1, "one Watch for all secrets of a store")
		var mu sync.Mutex
		tenths := map[time.Duration]int{}
		began := time.Now()
		w.step(func(context.Context, secret.Address) error {
			mu.Lock()
			defer mu.Unlock()
			tenths[time.Since(began)/(100*time.Millisecond)]++
			return nil
		})
		for _, s := range secrets {
			w.set(s, "two")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for _, s := range secrets {
			requireRead(t, "two", s)
		}
		require.Equal(t, 300, w.gets())
		mu.Lock()
		defer mu.Unlock()
		require.Greater(t, len(tenths), 7, tenths)
	})
}

// TestWatchedSecretIsPolledRarely: every tenth round, in case a hint was lost.
func TestWatchedSecretIsPolledRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newTelling(), static("key")
		w.set(s, "one")
		var log logged
		requireStart(t, secret.NewApp(secret.AppOptions{Store: w, Logger: log.logger()}).Use(s))
		time.Sleep(2 * time.Second)
		before := w.gets()
		time.Sleep(100 * time.Minute)
		require.InDelta(t, 10, w.gets()-before, 1)
		require.Len(t, w.begun(), 1)
		require.Empty(t, log.lines())
	})
}

// TestWatchIsBegunAgain: after 100 ms, then later and later up to every 30 s;
// polling goes on meanwhile, in every round. It is logged once, and again where
// it had gone well in between.
func TestWatchIsBegunAgain(t *testing.T) {
	for name, down := range map[string]error{"fails": errors.New("no route to host"), "returns nil": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newTelling(), static("key")
				w.set(s, "one")
				var up atomic.Bool
				up.Store(true)
				w.tell(func(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
					if !up.Load() {
						return down
					}
					bounded, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the peer has gone"))
					defer cancel()
					return w.texts.Watch(bounded, addrs, changed)
				})
				var log logged
				requireStart(t, secret.NewApp(secret.AppOptions{Store: w, Logger: log.logger()}).Use(s))
				time.Sleep(59 * time.Second)
				up.Store(false)
				time.Sleep(time.Second + time.Nanosecond)
				synctest.Wait()
				require.Equal(t,
					[]string{`level=WARN msg="secret store no longer reports changes, polling until it does" secrets=1 error="the peer has gone"`}, log.lines())
				began, gets := time.Now(), w.gets()
				time.Sleep(time.Hour)
				begins := w.begun()[1:]
				pause, last := 100*time.Millisecond, began
				for _, at := range begins[:8] {
					require.GreaterOrEqual(t, at.Sub(last), pause/2-time.Nanosecond)
					require.LessOrEqual(t, at.Sub(last), pause)
					last, pause = at, 2*pause
				}
				for i := 12; i < len(begins); i++ {
					require.GreaterOrEqual(t, begins[i].Sub(begins[i-1]), 15*time.Second)
					require.LessOrEqual(t, begins[i].Sub(begins[i-1]), 30*time.Second)
				}
				require.InDelta(t, 60, w.gets()-gets, 7, "polled every round")
				require.Empty(t, log.lines())

				w.set(s, "two")
				time.Sleep(67 * time.Second)
				requireRead(t, "two", s)
				log.lines()
				up.Store(true)
				time.Sleep(31 * time.Second)
				begun := len(w.begun())
				time.Sleep(20 * time.Second)
				require.Len(t, w.begun(), begun)
				time.Sleep(45 * time.Second)
				require.Greater(t, len(w.begun()), begun)
				require.Len(t, log.lines(), 1)
				require.Equal(t, 1, w.most)
			})
		})
	}
}

// TestWatchThatHintsAndReturnsIsNoHotLoop: each begins with hints for
// everything, but the App is in no hurry.
func TestWatchThatHintsAndReturnsIsNoHotLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newTelling(), static("key")
		w.set(s, "one")
		w.tell(func(_ context.Context, addrs []secret.Address, changed func(secret.Address)) error {
			for _, addr := range addrs {
				changed(addr)
			}
			return nil
		})
		requireStart(t, secret.NewApp(secret.AppOptions{Store: w, Logger: silence}).Use(s))
		time.Sleep(time.Hour)
		require.Less(t, len(w.begun()), 260)
		require.Less(t, w.gets(), 340)
	})
}

// TestFailedReadAfterHintIsRepeated: soon, since otherwise the change would be
// found only ten rounds later; then less often.
func TestFailedReadAfterHintIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newTelling(), static("key")
		w.set(s, "one")
		requireStart(t, secret.NewApp(secret.AppOptions{Store: w, Refresh: time.Hour, Logger: silence}).Use(s))
		time.Sleep(2 * time.Second)
		w.step(func(context.Context, secret.Address) error { return errRefused })
		w.set(s, "two")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 3, w.gets())
		w.step(nil)
		time.Sleep(3 * time.Second)
		requireRead(t, "two", s)

		w.step(func(context.Context, secret.Address) error { return errRefused })
		w.set(s, "three")
		before := w.gets()
		time.Sleep(30 * time.Minute)
		require.InDelta(t, 10, w.gets()-before, 3)
	})
}

// TestWatchedSecretBacksOff: one that was deleted is not asked for in every
// round because it is watched.
func TestWatchedSecretBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newTelling(), static("key")
		w.set(s, "one")
		requireStart(t, secret.NewApp(secret.AppOptions{Store: w, Logger: silence}).Use(s))
		time.Sleep(2 * time.Second)
		w.texts.Delete("$SECRET.app.key")
		time.Sleep(10 * time.Minute)
		before := w.gets()
		time.Sleep(100 * time.Minute)
		require.InDelta(t, 20, w.gets()-before, 3)
		requireRead(t, "one", s)
		w.set(s, "two")
		time.Sleep(time.Second)
		synctest.Wait()
		requireRead(t, "two", s)
	})
}

// TestHintDuringALoad: the load may have looked before the change, so another
// follows, even where that one hangs first.
func TestHintDuringALoad(t *testing.T) {
	for name, pause := range map[string]time.Duration{"a load takes a while": 3 * time.Second,
		"and its context ends first": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newTelling(), static("key")
				w.set(s, "one")
				requireStart(t, secret.NewApp(secret.AppOptions{Store: w, Refresh: time.Hour, Logger: silence}).Use(s))
				time.Sleep(2 * time.Second)
				w.probe.mu.Lock()
				w.after = func(context.Context, secret.Address) error { time.Sleep(pause); return nil }
				w.probe.mu.Unlock()
				w.set(s, "two")
				time.Sleep(time.Second)
				synctest.Wait()
				require.Equal(t, 3, w.gets(), "the hint is followed")
				w.set(s, "three") // after that load has looked
				w.probe.mu.Lock()
				w.after = nil
				w.probe.mu.Unlock()
				time.Sleep(pause + 30*time.Second)
				requireRead(t, "three", s)
			})
		})
	}
}

// TestHintDuringAReadersLoad: the same where it was no hint that began the
// load.
func TestHintDuringAReadersLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newTelling(), static("key")
		w.set(s, "one")
		requireStart(t, secret.NewApp(secret.AppOptions{Store: w, Refresh: time.Hour, Logger: silence}).Use(s))
		time.Sleep(2 * time.Second)
		gate := make(chan struct{})
		w.probe.mu.Lock()
		w.after = until(gate)
		w.probe.mu.Unlock()
		refreshed := make(chan error)
		go func() { refreshed <- s.Refresh(context.Background()) }()
		synctest.Wait()
		w.set(s, "two")
		time.Sleep(2 * time.Second)
		close(gate)
		require.NoError(t, <-refreshed)
		synctest.Wait()
		requireRead(t, "two", s)
	})
}

// TestWatchersThatCannotBeCompared are watched for each of their secrets.
func TestWatchersThatCannotBeCompared(t *testing.T) {
	type list struct {
		*telling
		_ []int
	}
	type held struct{ secret.Watcher }
	type store struct {
		held
		secret.Store
	}
	for name, open := range map[string]func(*telling) secret.Store{
		"by type":    func(w *telling) secret.Store { return list{telling: w} },
		"by content": func(w *telling) secret.Store { return store{held{list{telling: w}}, w} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, a, b := newTelling(), static("a"), static("b")
				w.set(a, "one")
				w.set(b, "one")
				requireStart(t, secret.NewApp(secret.AppOptions{Store: open(w), Refresh: time.Hour, Logger: silence}).Use(a, b))
				time.Sleep(2 * time.Second)
				require.Len(t, w.begun(), 2)
				w.set(a, "two")
				w.set(b, "two")
				time.Sleep(2 * time.Second)
				requireRead(t, "two", a)
				requireRead(t, "two", b)
			})
		})
	}
}

// TestEachStoreIsWatched: of secrets with stores of their own each store has
// its Watch, for its own secrets.
func TestEachStoreIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stores := [2]*telling{newTelling(), newTelling()}
		var secrets []*secret.Secret
		for i := range 6 {
			s := secret.Static(secret.Options{Namespace: "app", Name: "n" + strconv.Itoa(i), Store: stores[i%2]})
			stores[i%2].set(s, "one")
			secrets = append(secrets, s)
		}
		watched := make(chan string, 2)
		for i, w := range stores {
			w.tell(func(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
				var names []string
				for _, addr := range addrs {
					names = append(names, addr.Name)
				}
				watched <- strconv.Itoa(i) + ": " + strings.Join(names, " ")
				return w.texts.Watch(ctx, addrs, changed)
			})
		}
		requireStart(t, secret.NewApp(secret.AppOptions{Refresh: time.Hour, Logger: silence}).Use(secrets...))
		synctest.Wait()
		require.ElementsMatch(t, []string{"0: n0 n2 n4", "1: n1 n3 n5"}, []string{<-watched, <-watched})
		stores[0].set(secrets[0], "two")
		stores[1].set(secrets[5], "two")
		time.Sleep(3 * time.Second)
		requireRead(t, "two", secrets[0])
		requireRead(t, "two", secrets[5])
	})
}

// TestHintsForOthersAreIgnored: hints for addresses that the App did not ask
// for do no harm.
func TestHintsForOthersAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newTelling(), static("key")
		w.set(s, "one")
		w.tell(func(ctx context.Context, _ []secret.Address, changed func(secret.Address)) error {
			changed(secret.Address{Namespace: "no", Name: "body"})
			changed(secret.Address{})
			<-ctx.Done()
			return context.Cause(ctx)
		})
		requireStart(t, secret.NewApp(secret.AppOptions{Store: w, Logger: silence}).Use(s))
		time.Sleep(30 * time.Second)
		require.Equal(t, 1, w.gets())
	})
}

// TestCloseEndsWatch: with the cause. Close reports a Watch that does not
// return.
func TestCloseEndsWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newTelling(), static("key")
		w.set(s, "one")
		gate := make(chan struct{})
		causes := make(chan error, 1)
		w.tell(func(ctx context.Context, _ []secret.Address, changed func(secret.Address)) error {
			<-ctx.Done()
			causes <- context.Cause(ctx)
			changed(s.Address())
			<-gate
			return context.Cause(ctx)
		})
		app := secret.NewApp(secret.AppOptions{Store: w, Timeout: 3 * time.Second, Logger: silence}).Use(s)
		require.NoError(t, app.Start(context.Background()))
		synctest.Wait()
		began := time.Now()
		require.ErrorContains(t, app.Close(), "its goroutine is left behind")
		require.Equal(t, 3*time.Second, time.Since(began))
		require.ErrorContains(t, <-causes, "the App was closed")
		close(gate)
		synctest.Wait()
		require.Equal(t, 1, w.gets())
		require.Len(t, w.begun(), 1)
	})
}

// TestHintDuringABackOff: a hint is followed at once, or within a second if the
// store is elsewhere, although a failed load waits for its repetition.
func TestHintDuringABackOff(t *testing.T) {
	for name, tc := range map[string]struct {
		store func(*telling) secret.Store
		soon  time.Duration
	}{
		"elsewhere":       {func(w *telling) secret.Store { return w }, time.Second},
		"on this machine": {func(w *telling) secret.Store { return w.texts }, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newTelling(), static("key")
				w.set(s, "one")
				requireStart(t, secret.NewApp(secret.AppOptions{Store: tc.store(w), Refresh: time.Hour, Logger: silence}).Use(s))
				time.Sleep(2 * time.Second)
				for range 5 { // each failure makes the pause longer
					w.texts.Delete("$SECRET.app.key")
					time.Sleep(tc.soon)
					synctest.Wait()
				}
				w.set(s, "two")
				time.Sleep(tc.soon)
				synctest.Wait()
				requireRead(t, "two", s)
			})
		})
	}
}

// TestHintsOfOneMomentAreSpreadOnce: further hints do not make the delay of a
// replica shorter.
func TestHintsOfOneMomentAreSpreadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newTelling(), static("key")
		w.set(s, "one")
		requireStart(t, secret.NewApp(secret.AppOptions{Store: w, Refresh: time.Hour, Logger: silence}).Use(s))
		time.Sleep(2 * time.Second)
		early := 0
		for range 60 {
			before := w.gets()
			for range 50 {
				w.set(s, "two")
				synctest.Wait()
			}
			time.Sleep(250 * time.Millisecond)
			synctest.Wait()
			if w.gets() > before {
				early++
			}
			time.Sleep(2 * time.Second)
		}
		require.Less(t, early, 40, "a quarter of them is expected")
	})
}

// TestManyFirstHintsAreSpread: those of a store on this machine, too, since they
// report no change.
func TestManyFirstHintsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := secret.NewMemory(nil)
		var secrets []*secret.Secret
		for i := range 1000 {
			m.Set("$SECRET.app.n"+strconv.Itoa(i), "one")
			secrets = append(secrets, static("n"+strconv.Itoa(i)))
		}
		requireStart(t, secret.NewApp(secret.AppOptions{Store: m, Refresh: time.Hour, Logger: silence}).Use(secrets...))
		time.Sleep(150 * time.Millisecond)
		m.Set("$SECRET.app.n7", "two")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		requireRead(t, "two", secrets[7])
	})
}
