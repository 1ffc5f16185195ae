package secret_test

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestStartFromTheCache: with the store out of reach, in every way, an App of a
// new process starts with the values that the last one confirmed. Status shows
// that, with the time. It follows the store as soon as that is back.
func TestStartFromTheCache(t *testing.T) {
	for name, down := range map[string]func(context.Context, secret.Address) error{
		"refuses": refuse,
		"hangs":   hang,
		"panics":  func(context.Context, secret.Address) error { panic(marker) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c, s := newProbe(), newEntries(), static("key")
				p.set(s, "current=v1;v1=one")
				var log logged
				o := secret.AppOptions{Store: p, Cache: c, Logger: log.logger()}
				ran(t, o, s)
				confirmed := time.Now()

				time.Sleep(3 * time.Hour)
				p.step(down)
				s = static("key")
				app := secret.NewApp(o).Use(s)
				log.lines()
				requireStart(t, app)
				began := time.Now()
				requireRead(t, "one", s)
				st := app.Status()
				require.True(t, st.OK, "as for a store that has just failed under an App")
				require.Equal(t, confirmed.UTC(), st.Secrets[0].CachedAt)
				require.Equal(t, confirmed.UTC(), st.Secrets[0].LastSuccess)
				require.Equal(t, began.UTC(), st.Secrets[0].StaleSince)
				require.NotEmpty(t, st.Secrets[0].LastError)
				require.False(t, st.Secrets[0].Failing)
				lines := log.lines()
				require.Len(t, lines, 2)
				require.Contains(t, lines[0], `level=WARN msg="secret cannot be loaded" address=$SECRET.app.key kept=v1 error=`)
				require.Contains(t, lines[1], `level=WARN msg="App started without its store, with values that the store `+
					`confirmed earlier" secrets=1 oldest=2000-01-01T00:00:00.000Z`)

				time.Sleep(2 * time.Hour)
				require.False(t, app.Status().OK, "out of reach for an hour")
				require.Equal(t, confirmed.UTC(), app.Status().Secrets[0].CachedAt)
				require.Empty(t, log.lines())

				p.step(nil)
				p.set(s, "current=v2;v2=two")
				time.Sleep(6 * time.Minute)
				requireRead(t, "two", s)
				st = app.Status()
				require.True(t, st.OK)
				require.Zero(t, st.Secrets[0].CachedAt)
				require.Zero(t, st.Secrets[0].StaleSince)
			})
		})
	}
}

// TestCachedStartFollowsAShortOutage within seconds, not with the next round.
func TestCachedStartFollowsAShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s := newProbe(), newEntries(), static("key")
		p.set(s, "one")
		o := secret.AppOptions{Store: p, Cache: c, Refresh: time.Hour, Logger: silence}
		ran(t, o, s)
		p.step(refuse)
		p.set(s, "two")
		s = static("key")
		requireStart(t, secret.NewApp(o).Use(s))
		requireRead(t, "one", s)
		p.step(nil)
		time.Sleep(2 * time.Second)
		requireRead(t, "two", s)
	})
}

// TestOnlyAStoreOutOfReachIsReplaced: every answer of a store counts, at once,
// also beside a secret that could be retried.
func TestOnlyAStoreOutOfReachIsReplaced(t *testing.T) {
	for name, tc := range map[string]struct {
		fails error  // of the store
		text  string // that the store has, if it does not fail
		wants error
	}{
		"not found":      {fails: fmt.Errorf("%w: nowhere", secret.ErrNotFound), wants: secret.ErrNotFound},
		"empty":          {text: " ", wants: secret.ErrEmpty},
		"malformed":      {text: `{"current":"v1","versions":{`, wants: secret.ErrMalformed},
		"too large":      {text: strings.Repeat("x", 1<<20+1), wants: secret.ErrTooLarge},
		"length":         {text: "short", wants: secret.ErrEncoding},
		"invalid":        {fails: fmt.Errorf("%w: a path", secret.ErrInvalid), wants: secret.ErrInvalid},
		"refused access": {fails: fmt.Errorf("the role may not read it: %w", fs.ErrPermission), wants: fs.ErrPermission},
		"refused file": {fails: &fs.PathError{Op: "open", Path: "key", Err: fs.ErrPermission},
			wants: fs.ErrPermission},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := newProbe(), newEntries()
				declare := func() *secret.Secret {
					return secret.Random(secret.Options{Namespace: "app", Name: "key", Bytes: 16, Encoding: secret.EncodingRaw})
				}
				s, other := declare(), static("other")
				p.set(s, "0123456789abcdef")
				p.set(other, "one")
				o := secret.AppOptions{Store: p, Cache: c, Logger: silence}
				ran(t, o, s, other)

				s, other = declare(), static("other")
				unkept := static("unkept")
				if tc.text != "" {
					p.set(s, tc.text)
				}
				p.step(func(_ context.Context, addr secret.Address) error {
					if addr == s.Address() {
						return tc.fails
					}
					return errRefused
				})
				began := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				err := secret.NewApp(o).Use(s, other, unkept).Start(ctx)
				require.ErrorIs(t, err, tc.wants)
				require.ErrorIs(t, err, errRefused, "all problems are reported")
				require.Zero(t, time.Since(began))
			})
		})
	}
}

// TestCacheNeverGoesBackwards: a document that this process has loaded is newer
// than any entry.
func TestCacheNeverGoesBackwards(t *testing.T) {
	for name, load := range map[string]func(*testing.T, *probe, *entries, *secret.App, *secret.Secret){
		"a read before Start": func(t *testing.T, p *probe, _ *entries, app *secret.App, s *secret.Secret) {
			requireRead(t, "new", s)
			p.step(refuse)
			require.NoError(t, app.Start(context.Background()))
		},
		"a Start that failed": func(t *testing.T, p *probe, c *entries, app *secret.App, s *secret.Secret) {
			p.texts.Delete(static("other").Address().String())
			require.ErrorIs(t, app.Start(context.Background()), secret.ErrNotFound)
			synctest.Wait()
			require.Contains(t, c.entry(s), "new", "the store has confirmed it")
			p.step(refuse)
			old := c.entry(s)
			c.set(s, strings.Replace(old, "new", "old", 1)) // damaged, too
			require.NoError(t, app.Start(context.Background()))
		},
		"a read while Start reads the cache": func(t *testing.T, p *probe, c *entries, app *secret.App, s *secret.Secret) {
			gate := make(chan struct{})
			c.step(until(gate), nil)
			p.step(refuse)
			started := make(chan error)
			go func() { started <- app.Start(context.Background()) }()
			time.Sleep(time.Millisecond)
			p.step(nil)
			require.NoError(t, s.Refresh(context.Background()))
			p.step(refuse)
			close(gate)
			require.NoError(t, <-started)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c, s, other := newProbe(), newEntries(), static("key"), static("other")
				p.set(s, "old")
				p.set(other, "one")
				o := secret.AppOptions{Store: p, Cache: c, Logger: silence}
				ran(t, o, s, other)
				old := c.entry(s)
				p.set(s, "new")
				s, other = static("key"), static("other")
				app := secret.NewApp(o).Use(s, other)
				load(t, p, c, app, s)
				requireRead(t, "new", s)
				requireRead(t, "one", other)
				st := app.Status().Secrets
				require.Zero(t, st[0].CachedAt, "this process has loaded it")
				require.NotZero(t, st[1].CachedAt)
				c.set(s, old)
				time.Sleep(time.Hour)
				requireRead(t, "new", s)
				require.NoError(t, app.Close())
			})
		})
	}
}

// TestCachedTextIsNoChange: the store returns the same text as the cache, so
// nothing changes but the state.
func TestCachedTextIsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s := newProbe(), newEntries(), static("key")
		p.set(s, "one")
		var log logged
		o := secret.AppOptions{Store: p, Cache: c, Logger: log.logger()}
		ran(t, o, s)
		p.step(refuse)
		s = static("key")
		app := secret.NewApp(o).Use(s)
		app.OnChange(func(secret.Change) { t.Error("a change") })
		requireStart(t, app)
		doc, err := s.Load(context.Background())
		require.NoError(t, err)
		p.step(nil)
		log.lines()
		time.Sleep(time.Minute)
		again, err := s.Load(context.Background())
		require.NoError(t, err)
		require.Same(t, doc, again)
		require.Equal(t, []string{`level=INFO msg="secret can be loaded again" address=$SECRET.app.key current=v1`},
			log.lines())
		synctest.Wait()
	})
}

// TestStartRetriesUntilItsDeadline: only loads that are out of reach, with pauses,
// and it starts as soon as all stores answer.
func TestStartRetriesUntilItsDeadline(t *testing.T) {
	for name, cache := range map[string]secret.Cache{"no cache": nil, "empty cache": newEntries()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s, good := newProbe(), static("key"), static("good")
				p.set(s, "one")
				p.set(good, "one")
				down := func(_ context.Context, addr secret.Address) error {
					if addr == s.Address() {
						return errRefused
					}
					return nil
				}
				p.step(down)
				var log logged
				o := secret.AppOptions{Store: placedProbe{p}, Cache: cache, Refresh: time.Hour, Logger: log.logger()}
				app := secret.NewApp(o).Use(s, good)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				time.AfterFunc(30*time.Second, func() { p.step(nil) })
				began := time.Now()
				require.NoError(t, app.Start(ctx))
				require.GreaterOrEqual(t, time.Since(began), 30*time.Second)
				require.LessOrEqual(t, time.Since(began), 36*time.Second)
				require.Equal(t, 1, p.gets(good))
				require.Greater(t, p.gets(s), 8)
				require.Less(t, p.gets(s), 30)
				requireRead(t, "one", s)
				require.True(t, app.Status().OK)
				require.Equal(t, began.UTC(), app.Status().Secrets[0].LastSuccess, "good was confirmed then")
				require.Equal(t, 1, strings.Count(strings.Join(log.lines(), "\n"), "Start tries again"))
				require.NoError(t, app.Close())

				p.step(down)
				app = secret.NewApp(o).Use(s, good)
				ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				began = time.Now()
				if cache != nil {
					require.NoError(t, app.Start(ctx))
					require.Zero(t, time.Since(began), "there is an entry now")
					require.NoError(t, app.Close())
					return
				}
				err := app.Start(ctx)
				require.Equal(t, time.Minute, time.Since(began))
				require.EqualError(t, err, `secret: start: 1 problem with the App's 2 secrets:
  $SECRET.app.key from shelf app/key: connection refused; see whether the store can be reached, then start again`)
				require.ErrorIs(t, err, errRefused)
				require.ErrorIs(t, err, context.DeadlineExceeded)

				began = time.Now()
				require.ErrorIs(t, app.Start(context.Background()), errRefused)
				require.Zero(t, time.Since(began), "without a deadline it reports at once")

				ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				time.AfterFunc(10*time.Second, func() { p.texts.Delete(s.Address().String()); p.step(nil) })
				began = time.Now()
				err = app.Start(ctx)
				require.ErrorIs(t, err, secret.ErrNotFound, "an answer ends the retries")
				require.NotErrorIs(t, err, errRefused)
				require.LessOrEqual(t, time.Since(began), 16*time.Second)

				p.step(down)
				ctx, cancel = context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				time.AfterFunc(time.Second, cancel)
				began = time.Now()
				err = app.Start(ctx)
				require.Equal(t, time.Second, time.Since(began))
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, errRefused)

				ctx, cancel = context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				time.AfterFunc(time.Second, func() { _ = app.Close() })
				began = time.Now()
				require.ErrorContains(t, app.Start(ctx), "the App was closed")
				require.Equal(t, time.Second, time.Since(began))
			})
		})
	}
}

// TestStartUsesNoOldDocumentOfItsOwn: MaxStale also bounds a document that a read
// before Start has loaded.
func TestStartUsesNoOldDocumentOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, "one")
		app := secret.NewApp(secret.AppOptions{Store: p, Cache: newEntries(), MaxStale: time.Hour, Logger: silence}).Use(s)
		requireRead(t, "one", s)
		p.step(refuse)
		time.Sleep(2 * time.Hour)
		require.ErrorIs(t, app.Start(context.Background()), errRefused)
		require.NoError(t, app.Close())
	})
}

// TestStartReportsTheLastAnswer of a store that hangs when the deadline comes.
func TestStartReportsTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.step(refuse)
		time.AfterFunc(time.Second, func() { p.step(hang) })
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(s).Start(ctx)
		require.ErrorContains(t, err, "$SECRET.app.key: connection refused; see whether the store can be reached")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestStartWithADeadlineBeforeTheTimeout of a load uses the cache in time.
func TestStartWithADeadlineBeforeTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s, unkept := newProbe(), newEntries(), static("key"), static("unkept")
		p.set(s, "one")
		o := secret.AppOptions{Store: p, Cache: c, Logger: silence}
		ran(t, o, s)
		p.step(hang)
		s = static("key")
		app := secret.NewApp(o).Use(s)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		require.NoError(t, app.Start(ctx))
		require.NoError(t, ctx.Err())
		requireRead(t, "one", s)
		require.NoError(t, app.Close())

		app = secret.NewApp(o).Use(static("key"), unkept)
		ctx, cancel = context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		began := time.Now()
		err := app.Start(ctx)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.ErrorContains(t, err, "1 problem with the App's 2 secrets")
		require.ErrorContains(t, err, "$SECRET.app.unkept: ")
		require.ErrorIs(t, err, context.DeadlineExceeded)

		// A store that needs nearly the whole time is waited for.
		p.step(func(context.Context, secret.Address) error { time.Sleep(2950 * time.Millisecond); return nil })
		p.set(unkept, "one")
		app = secret.NewApp(o).Use(unkept)
		ctx, cancel = context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		require.NoError(t, app.Start(ctx))
		require.NoError(t, app.Close())
		p.step(hang)

		cancelled, stop := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, stop)
		require.ErrorIs(t, secret.NewApp(o).Use(static("key")).Start(cancelled), context.Canceled,
			"the caller has given up")
	})
}

// TestThousandSecretsStartFromTheCache: reads work within a second after the
// store has hung for one Timeout, not for one in each of 16 turns. Nothing goes
// backwards, and the App recovers.
func TestThousandSecretsStartFromTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := newProbe(), newEntries()
		names := make([]string, 1000)
		for i := range names {
			names[i] = "n" + strconv.Itoa(i)
		}
		secrets := restarted(names...)
		for _, s := range secrets {
			p.set(s, "current=v1;v1=one")
		}
		o := secret.AppOptions{Store: p, Cache: c, Logger: silence, Timeout: 900 * time.Millisecond}
		ran(t, o, secrets...)
		for _, s := range secrets[:500] {
			p.set(s, "current=v2;v1=one;v2=two")
		}
		ran(t, o, restarted(names...)...)
		for _, down := range []func(context.Context, secret.Address) error{hang, refuse} {
			p.step(down)
			secrets = restarted(names...)
			app := secret.NewApp(o).Use(secrets...)
			began := time.Now()
			require.NoError(t, app.Start(context.Background()))
			require.Less(t, time.Since(began), time.Second)
			for i, s := range secrets {
				v, err := s.Current().Get(context.Background())
				require.NoError(t, err)
				require.Equal(t, map[bool]string{true: "v2", false: "v1"}[i < 500], v.ID)
			}
			app.OnChange(func(ch secret.Change) { require.Equal(t, "v3", ch.New) })
			time.Sleep(10 * time.Minute)
			for _, s := range secrets[:100] {
				p.set(s, "current=v3;v3=three")
			}
			p.step(nil)
			time.Sleep(6 * time.Minute)
			require.True(t, app.Status().OK)
			for _, st := range app.Status().Secrets {
				require.Zero(t, st.CachedAt)
				require.Zero(t, st.StaleSince)
			}
			for _, s := range secrets[:100] {
				requireRead(t, "three", s)
				p.set(s, "current=v2;v1=one;v2=two")
			}
			require.NoError(t, app.Close())
			for _, s := range secrets {
				require.NotEmpty(t, c.entry(s))
			}
			ran(t, o, restarted(names...)...) // back to v2
		}
	})
}
