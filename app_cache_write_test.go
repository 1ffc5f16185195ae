package secret_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestEntryIsWrittenRarely: on a change, else every quarter of MaxStale, at
// least five minutes apart; also after a restart.
func TestEntryIsWrittenRarely(t *testing.T) {
	for maxStale, every := range map[time.Duration]time.Duration{
		0: 5 * time.Minute, 10 * time.Minute: 5 * time.Minute, 4 * time.Hour: time.Hour,
	} {
		t.Run(every.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c, s := newProbe(), newEntries(), static("key")
				p.set(s, "one")
				o := secret.AppOptions{Store: p, Cache: c, Refresh: 20 * time.Second, MaxStale: maxStale, Logger: silence}
				app := secret.NewApp(o).Use(s)
				require.NoError(t, app.Start(context.Background()))
				synctest.Wait()
				require.Equal(t, 1, c.written(s))
				time.Sleep(every - 30*time.Second)
				require.Equal(t, 1, c.written(s))
				time.Sleep(time.Minute)
				require.Equal(t, 2, c.written(s))
				p.set(s, "two")
				time.Sleep(30 * time.Second)
				require.Equal(t, 3, c.written(s), "a change is written at once")
				require.Contains(t, c.entry(s), "two")
				require.NoError(t, app.Close())
				for range 5 { // a program that crashes in a loop
					s = static("key")
					ran(t, o, s)
				}
				total := 0
				for _, n := range c.puts {
					total += n
				}
				require.Equal(t, 3, total)
				time.Sleep(every)
				ran(t, o, static("key"))
				require.Equal(t, 4, c.written(s))
			})
		})
	}
}

// TestCacheOfReadsAndRefreshes: a read before Start and Secret.Refresh confirm a
// value, too.
func TestCacheOfReadsAndRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s := newProbe(), newEntries(), static("key")
		p.set(s, "one")
		app := secret.NewApp(secret.AppOptions{Store: p, Cache: c, Refresh: -1, Logger: silence}).Use(s)
		requireRead(t, "one", s)
		synctest.Wait()
		require.Contains(t, c.entry(s), "one")
		requireStart(t, app)
		p.set(s, "two")
		require.NoError(t, s.Refresh(context.Background()))
		synctest.Wait()
		require.Contains(t, c.entry(s), "two")
		p.set(s, "three")
		require.NoError(t, app.Refresh(context.Background()))
		synctest.Wait()
		require.Contains(t, c.entry(s), "three")
		p.set(s, " ")
		require.Error(t, app.Refresh(context.Background()))
		synctest.Wait()
		require.Contains(t, c.entry(s), "three", "a bad text is not kept")
	})
}

// TestCloseWritesWhatIsConfirmed: a program that ends soon after its Start has
// filled its cache.
func TestCloseWritesWhatIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := newProbe(), newEntries()
		names := make([]string, 100)
		for i := range names {
			names[i] = "n" + strconv.Itoa(i)
		}
		secrets := restarted(names...)
		for _, s := range secrets {
			p.set(s, "one")
		}
		c.step(nil, func(context.Context, secret.Address) error { time.Sleep(10 * time.Millisecond); return nil })
		ran(t, secret.AppOptions{Store: p, Cache: c}, secrets...)
		require.Len(t, c.of, 100)
	})
}

// TestEnvironmentIsNotCached: it is never out of reach, so its values are not
// copied to a disk.
func TestEnvironmentIsNotCached(t *testing.T) {
	s := secret.Static(secret.Options{Namespace: "app", Name: "key", Store: secret.Env()})
	t.Setenv(s.Binding(), "one")
	c := newEntries()
	ran(t, secret.AppOptions{Cache: c, Store: newProbe()}, s)
	require.Empty(t, c.of)
}

// failures are the ways in which a cache may fail.
var failures = map[string]func(context.Context, secret.Address) error{
	"fails":        func(context.Context, secret.Address) error { return errors.New("the disk is full") },
	"panics":       func(context.Context, secret.Address) error { panic(marker) },
	"Goexit":       func(context.Context, secret.Address) error { runtime.Goexit(); return nil },
	"hangs":        hang,
	"a broken err": func(context.Context, secret.Address) error { return &brokenError{error: true} },
}

// TestCacheThatFailsChangesNothingElse: reads, Start, refreshes, changes and
// Close are as without it, and it is logged once. When it works again, it is
// used.
func TestCacheThatFailsChangesNothingElse(t *testing.T) {
	for name, fail := range failures {
		for _, both := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, Get too: %v", name, both), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, c := newProbe(), newEntries()
					secrets := restarted("a", "b", "c")
					for _, s := range secrets {
						p.set(s, "one")
					}
					c.step(nil, fail)
					if both {
						c.step(fail, fail)
					}
					var log logged
					app := secret.NewApp(secret.AppOptions{Store: p, Cache: c, Logger: log.logger()}).Use(secrets...)
					began := time.Now()
					require.NoError(t, app.Start(context.Background()))
					require.Zero(t, time.Since(began))
					time.Sleep(30 * time.Minute)
					for _, s := range secrets {
						p.set(s, "two")
					}
					time.Sleep(2 * time.Minute)
					for _, s := range secrets {
						requireRead(t, "two", s)
					}
					require.True(t, app.Status().OK)
					lines := log.lines()
					require.Equal(t, 1, strings.Count(strings.Join(lines, "\n"), "secret cache"), lines)
					require.Contains(t, strings.Join(lines, "\n"),
						`level=WARN msg="secret cache fails, the App works without it" address=$SECRET.app.`)
					require.NotContains(t, strings.Join(lines, "\n"), marker)

					c.step(nil, nil)
					time.Sleep(10 * time.Minute)
					require.Equal(t, []string{`level=INFO msg="secret cache works again"`}, log.lines())
					require.Contains(t, c.entry(secrets[0]), "two")

					c.step(fail, fail)
					for _, s := range secrets {
						p.set(s, "three")
					}
					time.Sleep(2 * time.Minute)
					began = time.Now()
					require.NoError(t, app.Close())
					require.LessOrEqual(t, time.Since(began), 10*time.Second)

					// A new process, whose store and cache both fail.
					p.step(refuse)
					secrets = restarted("a", "b", "c")
					app = secret.NewApp(secret.AppOptions{Store: p, Cache: c, Logger: log.logger()}).Use(secrets...)
					log.lines()
					began = time.Now()
					err := app.Start(context.Background())
					require.ErrorContains(t, err, "3 problems with the App's 3 secrets")
					require.ErrorIs(t, err, errRefused)
					require.LessOrEqual(t, time.Since(began), 5*time.Second)
					lines = log.lines()
					require.Len(t, lines, 1)
					require.Contains(t, lines[0], "secret cache fails")
				})
			})
		}
	}
}

// TestCacheThatIgnoresItsContext delays nothing, is asked no more than a few
// times while it hangs, and its late writes replace no newer entry.
func TestCacheThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s := newProbe(), newEntries(), static("key")
		others := restarted("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l")
		for _, one := range append(others, s) {
			p.set(one, "one")
		}
		gate := make(chan struct{})
		c.step(nil, until(gate))
		o := secret.AppOptions{Store: p, Cache: c, Logger: silence}
		app := secret.NewApp(o).Use(s).Use(others...)
		began := time.Now()
		require.NoError(t, app.Start(context.Background()))
		require.Zero(t, time.Since(began))
		time.Sleep(time.Hour)
		requireRead(t, "one", s)
		require.Equal(t, 1, c.written(s))
		total := 0
		for _, n := range c.puts {
			total += n
		}
		require.LessOrEqual(t, total, 16)

		p.set(s, "two")
		time.Sleep(2 * time.Minute)
		require.Equal(t, 1, c.written(s), "a write of this secret has not returned")
		close(gate) // the write of "one" ends now
		time.Sleep(2 * time.Minute)
		require.Contains(t, c.entry(s), "two")
		require.NoError(t, app.Close())
	})
}

// TestCacheThatHangsIsAskedRarely: not once for each secret, since all would
// wait as long.
func TestCacheThatHangsIsAskedRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := newProbe(), newEntries()
		names := make([]string, 100)
		for i := range names {
			names[i] = "n" + strconv.Itoa(i)
		}
		secrets := restarted(names...)
		for _, s := range secrets {
			p.set(s, "one")
		}
		c.step(nil, hang)
		app := secret.NewApp(secret.AppOptions{Store: p, Cache: c, Logger: silence}).Use(secrets...)
		require.NoError(t, app.Start(context.Background()))
		time.Sleep(50 * time.Second)
		synctest.Wait()
		require.LessOrEqual(t, len(c.puts), 16)
		require.NoError(t, app.Close())
	})
}

// TestLateWriteIsFollowedByTheNewerEntry: while a write has not returned, the
// same secret has no other write, so the last one to end is the newest.
func TestLateWriteIsFollowedByTheNewerEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s, other := newProbe(), newEntries(), static("key"), static("other")
		p.set(s, "one")
		p.set(other, "one")
		gate := make(chan struct{})
		c.step(nil, func(ctx context.Context, addr secret.Address) error {
			if addr == s.Address() {
				<-gate
			}
			return nil
		})
		app := secret.NewApp(secret.AppOptions{Store: p, Cache: c, Logger: silence}).Use(s, other)
		require.NoError(t, app.Start(context.Background()))
		for _, text := range []string{"two", "three"} {
			p.set(s, text)
			p.set(other, text)
			time.Sleep(2 * time.Minute)
			require.Equal(t, 1, c.written(s))
			require.Contains(t, c.entry(other), text)
		}
		close(gate)
		synctest.Wait()
		require.Equal(t, 2, c.written(s), "at once, and only the newest")
		require.Contains(t, c.entry(s), "three")
		require.NoError(t, app.Close())
	})
}

// TestLateWriteDoesNotReplaceANewerEntry of another process: a text that was
// confirmed earlier stays unwritten.
func TestLateWriteDoesNotReplaceANewerEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newEntries()
		behind, ahead := newProbe(), newProbe()
		s, same := static("key"), static("key")
		behind.set(s, "old")
		ahead.set(s, "new")
		gate := make(chan struct{})
		c.step(until(gate), nil)
		app := secret.NewApp(secret.AppOptions{Store: behind, Cache: c, Logger: silence}).Use(s)
		require.NoError(t, app.Start(context.Background())) // it waits to write "old"
		time.Sleep(time.Second)
		c.step(nil, nil)
		ran(t, secret.AppOptions{Store: ahead, Cache: c, Logger: silence}, same)
		require.Contains(t, c.entry(s), "new")
		close(gate)
		synctest.Wait()
		require.Contains(t, c.entry(s), "new")
		require.NoError(t, app.Close())
	})
}
