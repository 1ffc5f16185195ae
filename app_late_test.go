package secret_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestUseAfterCloseReadsFromTheNewApp: not the last document of an App that is
// closed, has failed to start or never started.
func TestUseAfterCloseReadsFromTheNewApp(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *secret.App){
		"closed": func(t *testing.T, app *secret.App) {
			require.NoError(t, app.Start(t.Context()))
			require.NoError(t, app.Close())
		},
		"never started": func(*testing.T, *secret.App) {},
		"failed to start": func(t *testing.T, app *secret.App) {
			require.Error(t, app.Use(static("missing")).Start(t.Context()))
		},
		"closed, never started": func(t *testing.T, app *secret.App) { require.NoError(t, app.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			s, twin, stores := static("key"), static("key"), [2]*probe{newProbe(), newProbe()}
			stores[0].set(s, "of the first")
			stores[1].set(s, "of the second")
			first := secret.NewApp(secret.AppOptions{Store: stores[0], Refresh: -1, Logger: silence}).Use(s)
			requireRead(t, "of the first", s)
			end(t, first)
			asked := stores[0].gets()
			second := secret.NewApp(secret.AppOptions{Store: stores[1], Refresh: -1, Logger: silence}).Use(s)
			requireRead(t, "of the second", s)
			requireRead(t, "of the second", s)
			require.Equal(t, 1, stores[1].gets(), "the first read is kept")
			second.Use(s, twin)
			requireRead(t, "of the second", twin)
			require.Equal(t, 1, stores[1].gets(), "another variable of the declaration is served as well")
			requireStart(t, second)
			requireRead(t, "of the second", s)
			require.Equal(t, asked, stores[0].gets())

			first.Use(s)
			requireRead(t, "of the second", s)
		})
	}
}

// TestFailedStartReadsFromItsApp: the secret was given to Use while another App
// held it, and that App is closed now.
func TestFailedStartReadsFromItsApp(t *testing.T) {
	s, stores := static("key"), [2]*probe{newProbe(), newProbe()}
	stores[0].set(s, "of the first")
	stores[1].set(s, "of the second")
	first := secret.NewApp(secret.AppOptions{Store: stores[0], Refresh: -1}).Use(s)
	require.NoError(t, first.Start(t.Context()))
	second := secret.NewApp(secret.AppOptions{Store: stores[1], Refresh: -1, Logger: silence}).Use(s, static("missing"))
	require.NoError(t, first.Close())
	requireRead(t, "of the first", s)
	require.ErrorIs(t, second.Start(t.Context()), secret.ErrNotFound)
	requireRead(t, "of the second", s)
}

// TestUseOfAClosedAppDoesNothing: such an App would never refresh the secret.
func TestUseOfAClosedAppDoesNothing(t *testing.T) {
	own, other := newProbe(), newProbe()
	s := secret.Static(secret.Options{Namespace: "app", Name: "key", Store: own})
	own.set(s, "one")
	app := secret.NewApp(secret.AppOptions{Store: other, Refresh: -1})
	require.NoError(t, app.Start(t.Context()))
	require.NoError(t, app.Close())
	app.Use(s)
	requireRead(t, "one", s)
	own.set(s, "two")
	requireRead(t, "two", s)
	require.Empty(t, app.Status().Secrets)
}

// TestLateSecretIsWatched: as soon as it has been read; before that, nothing
// asks for it.
func TestLateSecretIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, early, late, unread := newTelling(), static("early"), static("late"), static("unread")
		for _, s := range []*secret.Secret{early, late, unread} {
			w.set(s, "one")
		}
		app := secret.NewApp(secret.AppOptions{Store: w, Refresh: 24 * time.Hour, Logger: silence}).Use(early)
		requireStart(t, app)
		time.Sleep(10 * time.Second)
		app.Use(late, unread, late)
		requireRead(t, "one", late)
		time.Sleep(5 * time.Second)
		w.set(late, "two")
		w.set(early, "two")
		time.Sleep(time.Second)
		synctest.Wait()
		requireRead(t, "two", late)
		requireRead(t, "two", early)
		require.Zero(t, w.gets(unread))
		w.set(unread, "two")
		requireRead(t, "two", unread)
		w.set(unread, "three")
		time.Sleep(time.Second)
		synctest.Wait()
		requireRead(t, "three", unread)
		require.Len(t, w.begun(), 2)
		require.NoError(t, app.Close())
	})
}

// TestLateSecretLosesNoChange: whenever the change comes, at the first read, at
// the hint of another secret, or between two Watches.
func TestLateSecretLosesNoChange(t *testing.T) {
	for _, after := range []time.Duration{0, time.Millisecond, 500 * time.Millisecond, time.Second - 1, time.Second,
		time.Second + 1, 1100 * time.Millisecond, 2 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, early, late := newTelling(), static("early"), static("late")
				w.set(early, "one")
				w.set(late, "one")
				w.tell(func(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
					time.Sleep(100 * time.Millisecond) // to subscribe
					return w.texts.Watch(ctx, addrs, changed)
				})
				app := secret.NewApp(secret.AppOptions{Store: w, Refresh: 24 * time.Hour, Logger: silence}).Use(early)
				requireStart(t, app)
				time.Sleep(10 * time.Second)
				app.Use(late)
				requireRead(t, "one", late)
				time.Sleep(after)
				w.set(late, "two")
				w.set(early, "two")
				time.Sleep(3 * time.Second)
				synctest.Wait()
				requireRead(t, "two", late)
				requireRead(t, "two", early)
				require.NoError(t, app.Close())
			})
		})
	}
	t.Run("during the first read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, late := newTelling(), static("late")
			w.set(late, "one")
			app := secret.NewApp(secret.AppOptions{Store: w, Refresh: 24 * time.Hour, Logger: silence})
			requireStart(t, app)
			app.Use(late)
			time.Sleep(5 * time.Second)
			gate := make(chan struct{})
			w.probe.mu.Lock()
			w.after = until(gate)
			w.probe.mu.Unlock()
			go late.Load(context.Background())
			synctest.Wait()
			w.set(late, "two") // after that load has looked
			time.Sleep(2 * time.Second)
			close(gate)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			requireRead(t, "two", late)
			require.NoError(t, app.Close())
		})
	})
}

// TestThousandLateSecrets: given one by one, at once or one a second, they need
// few Watches, and no load is repeated for each secret.
func TestThousandLateSecrets(t *testing.T) {
	const all = 1000
	for name, c := range map[string]struct {
		pause         time.Duration
		begun, atOnce int
	}{
		"at once":      {0, 2, 2},
		"in a second":  {time.Millisecond, 4, 3},
		"one a second": {2 * time.Second, all + 1, 12},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, early := newTelling(), static("early")
				w.set(early, "one")
				app := secret.NewApp(secret.AppOptions{Store: w, Refresh: 24 * time.Hour, Logger: silence}).Use(early)
				requireStart(t, app)
				secrets := make([]*secret.Secret, all)
				for i := range secrets {
					secrets[i] = static("n" + strconv.Itoa(i))
					w.set(secrets[i], "one")
					app.Use(secrets[i])
					requireRead(t, "one", secrets[i])
					time.Sleep(c.pause)
				}
				time.Sleep(3 * time.Second)
				synctest.Wait()
				require.LessOrEqual(t, len(w.begun()), c.begun)
				w.mu.Lock()
				require.LessOrEqual(t, w.now, c.atOnce, "Watches at a time")
				require.LessOrEqual(t, w.most, c.atOnce+1, "and one that ends meanwhile")
				w.mu.Unlock()
				require.LessOrEqual(t, w.gets(), 12*all)
				for _, s := range secrets {
					w.set(s, "two")
				}
				time.Sleep(time.Second)
				synctest.Wait()
				for _, s := range secrets {
					requireRead(t, "two", s)
				}
				require.NoError(t, app.Close())
				require.Zero(t, w.now)
			})
		})
	}
}

// TestLateSecretsOfOneAddress: Start refuses two declarations of one address,
// and Use after Start takes them. Each follows its changes, by a hint or in the
// rounds.
func TestLateSecretsOfOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, tenant := newTelling(), newTelling()
		plain := static("key")
		named := secret.Static(secret.Options{Namespace: "app", Name: "key", Binding: "KEY"})
		pinned := secret.Static(secret.Options{Namespace: "app", Name: "key", Format: secret.FormatPlain})
		copied := plain.With(tenant)
		w.set(plain, "one")
		w.texts.Set("KEY", "one")
		tenant.set(plain, "one")
		app := secret.NewApp(secret.AppOptions{Store: w, Logger: silence}).Use(plain)
		requireStart(t, app)
		app.Use(named, pinned, copied, secret.Static(secret.Options{Name: "Not A Name"}))
		secrets := []*secret.Secret{plain, named, pinned, copied}
		for _, s := range secrets {
			requireRead(t, "one", s)
		}
		time.Sleep(5 * time.Second)
		tenant.set(plain, "two")
		w.set(plain, "two")
		time.Sleep(time.Second)
		synctest.Wait()
		requireRead(t, "two", plain)
		requireRead(t, "two", pinned)
		requireRead(t, "two", copied)
		requireRead(t, "one", named)
		w.texts.Set("KEY", "two")
		time.Sleep(67 * time.Second)
		requireRead(t, "two", named)
		require.NoError(t, app.Close())
	})
}

// TestSecretThatMovesToAnotherWatch: the end of its former Watch makes it
// neither polled in every round nor, if the new Watch fails, polled rarely.
func TestSecretThatMovesToAnotherWatch(t *testing.T) {
	for name, fails := range map[string]func(context.Context) error{
		"the new Watch works": nil,
		"the new Watch fails": func(context.Context) error { return errRefused },
		"the new Watch is silent": func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, early, late := newTelling(), static("early"), static("late")
				w.set(early, "one")
				w.set(late, "one")
				w.tell(func(ctx context.Context, addrs []secret.Address, changed func(secret.Address)) error {
					if fails != nil && len(addrs) > 1 {
						return fails(ctx)
					}
					err := w.texts.Watch(ctx, addrs, changed)
					time.Sleep(3 * time.Second)
					changed(early.Address()) // a last call of the former Watch
					return err
				})
				app := secret.NewApp(secret.AppOptions{Store: w, Logger: silence}).Use(early)
				requireStart(t, app)
				time.Sleep(10 * time.Second)
				app.Use(late)
				requireRead(t, "one", late)
				time.Sleep(10 * time.Second)
				before := w.gets(early)
				time.Sleep(100 * time.Minute)
				if fails != nil {
					require.InDelta(t, 100, w.gets(early)-before, 10)
				} else {
					require.InDelta(t, 10, w.gets(early)-before, 2)
				}
				require.NoError(t, app.Close())
			})
		})
	}
}

// TestLateSecretsWithoutBackgroundWork: an App that never refreshes does not
// watch, and Close waits for every late Watch.
func TestLateSecretsWithoutBackgroundWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTelling()
		app := secret.NewApp(secret.AppOptions{Store: w, Refresh: -1, MaxStale: time.Hour, Logger: silence})
		require.NoError(t, app.Start(t.Context()))
		app.Use(static("key"))
		time.Sleep(time.Minute)
		require.Empty(t, w.begun())
		require.NoError(t, app.Close())
	})
	w := newTelling()
	app := secret.NewApp(secret.AppOptions{Store: w, Logger: silence})
	require.NoError(t, app.Start(t.Context()))
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			s := static("n" + strconv.Itoa(i))
			w.set(s, "one")
			app.Use(s)
			_, _ = s.Current().Text()
		})
	}
	all.Wait()
	require.NoError(t, app.Close())
	require.Zero(t, w.now)
}

// TestUnreadLateSecretIsNoFailure: its first read loads it, so no read has
// failed, and a readiness probe goes on.
func TestUnreadLateSecretIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, early, late, other := newProbe(), static("early"), static("late"), optional("other")
		p.set(early, "one")
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, MaxStale: time.Hour, Logger: silence}).Use(early)
		require.True(t, statusOf(t, app, early).Failing, "before Start")
		requireStart(t, app)
		app.Use(late, other)
		for range 2 {
			require.True(t, app.Status().OK)
			for _, s := range []*secret.Secret{late, other} {
				st := statusOf(t, app, s)
				require.False(t, st.Failing)
				require.False(t, st.NeedsPerson)
				require.Zero(t, st.LastSuccess)
			}
			time.Sleep(59 * time.Minute)
		}
		_, err := late.Current().Text()
		require.ErrorIs(t, err, secret.ErrNotFound)
		require.True(t, statusOf(t, app, late).Failing, "a read has failed")
		require.False(t, app.Status().OK)
		requireMissing(t, other)
		require.False(t, statusOf(t, app, other).LastSuccess.IsZero())
		p.set(late, "one")
		requireRead(t, "one", late)
		require.False(t, statusOf(t, app, late).Failing)

		wrong := secret.Static(secret.Options{Name: "no name!"})
		app.Use(wrong)
		require.True(t, statusOf(t, app, wrong).Failing, "its declaration is wrong")
		never := secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(other)
		require.NoError(t, never.Close())
		require.True(t, statusOf(t, never, other).Failing, "closed, never started")
	})
}
