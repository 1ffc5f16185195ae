package secret_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// entries is a Cache in memory that counts its calls, and lets a test step in.
type entries struct {
	mu       sync.Mutex
	of       map[secret.Address]string
	puts     map[secret.Address]int
	get, put func(context.Context, secret.Address) error
}

func newEntries() *entries {
	return &entries{of: map[secret.Address]string{}, puts: map[secret.Address]int{}}
}

func (c *entries) Get(ctx context.Context, addr secret.Address) (string, error) {
	c.mu.Lock()
	step := c.get
	c.mu.Unlock()
	if step != nil {
		if err := step(ctx, addr); err != nil {
			return "", err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	text, ok := c.of[addr]
	if !ok {
		return "", fmt.Errorf("%w: no entry", secret.ErrNotFound)
	}
	return text, nil
}

func (c *entries) Put(ctx context.Context, addr secret.Address, text string) error {
	c.mu.Lock()
	c.puts[addr]++
	step := c.put
	c.mu.Unlock()
	if step != nil {
		if err := step(ctx, addr); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[addr] = text
	return nil
}

func (c *entries) step(get, put func(context.Context, secret.Address) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.get, c.put = get, put
}

func (c *entries) entry(s *secret.Secret) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[s.Address()]
}

func (c *entries) set(s *secret.Secret, entry string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[s.Address()] = entry
}

func (c *entries) written(s *secret.Secret) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.puts[s.Address()]
}

// refuse is a step of a store that is out of reach.
func refuse(context.Context, secret.Address) error { return errRefused }

// ran starts an App and closes it, so that its cache holds the stored texts.
func ran(t testing.TB, o secret.AppOptions, secrets ...*secret.Secret) {
	t.Helper()
	app := secret.NewApp(o).Use(secrets...)
	require.NoError(t, app.Start(context.Background()))
	require.NoError(t, app.Close())
}

// restarted makes copies of secrets, as another process has them.
func restarted(names ...string) (secrets []*secret.Secret) {
	for _, name := range names {
		secrets = append(secrets, static(name))
	}
	return secrets
}

// TestStartFromTheCache: with the store out of reach, in every way, an App of a
// new process starts with the values that the last one confirmed. Status says so, and
// since when. It follows the store as soon as that is back.
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

// TestUnusableEntriesAreIgnored with a log that says why, once, and no part of
// the entry. Start then reports the store.
func TestUnusableEntriesAreIgnored(t *testing.T) {
	// good is an entry as a run writes it, for a binding name and options.
	good := func(o secret.AppOptions, d secret.Options, text string) string {
		c, s := newEntries(), secret.Static(d)
		p := newProbe()
		p.set(s, text)
		o.Store, o.Cache = p, c
		ran(t, o, s)
		return c.entry(s)
	}
	key := secret.Options{Namespace: "app", Name: "key"}
	acme := secret.AppOptions{Workspace: "acme", Project: "shop", Environment: "production", Logger: silence}
	bound := key
	bound.Binding = "KEY"
	for name, tc := range map[string]struct {
		entry func() string
		says  string
		age   time.Duration
	}{
		"other workspace": {func() string { o := acme; o.Workspace = "other"; return good(o, key, marker) },
			"another workspace", 0},
		"other project": {func() string { o := acme; o.Project = "other"; return good(o, key, marker) },
			"another workspace, project", 0},
		"other environment": {func() string { o := acme; o.Environment = "staging"; return good(o, key, marker) },
			"another workspace", 0},
		"other binding": {func() string { return good(acme, bound, marker) }, "binding", 0},
		"other address": {func() string {
			return good(acme, secret.Options{Namespace: "app", Name: "other"}, marker)
		}, "address", 0},
		"empty":     {func() string { return "" }, "damaged", 0},
		"garbage":   {func() string { return marker }, "damaged", 0},
		"no header": {func() string { return "layer cache 1 " }, "damaged", 0},
		"truncated": {func() string { e := good(acme, key, marker); return e[:len(e)-1] }, "damaged", 0},
		"longer":    {func() string { return good(acme, key, marker) + "x" }, "damaged", 0},
		"changed text": {func() string {
			return strings.Replace(good(acme, key, marker), marker, strings.ToUpper(marker), 1)
		}, "damaged", 0},
		"changed header": {func() string {
			return strings.Replace(good(acme, key, marker), "shop", "shoq", 1)
		}, "damaged", 0},
		"huge": {func() string { return good(acme, key, marker) + strings.Repeat(" ", 2<<20) }, "too large", 0},
		"newer format": {func() string {
			return strings.Replace(good(acme, key, marker), "layer cache 1 ", "layer cache 2 ", 1)
		}, "another format", 0},
		"too old": {func() string { return good(acme, key, marker) }, "AppOptions.MaxStale has passed", 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			entry := ""
			synctest.Test(t, func(t *testing.T) { entry = tc.entry() }) // at midnight
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(tc.age)
				c, s, p := newEntries(), static("key"), newProbe()
				c.set(s, entry)
				p.step(refuse)
				var log logged
				o := acme
				o.Store, o.Cache, o.Logger, o.MaxStale = p, c, log.logger(), 24*time.Hour
				app := secret.NewApp(o).Use(s)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				err := app.Start(ctx)
				require.ErrorIs(t, err, errRefused)
				var about []string
				for _, line := range log.lines() {
					require.NotContains(t, line, marker)
					if strings.Contains(line, "cached secret is not used") {
						about = append(about, line)
					}
				}
				require.Len(t, about, 1)
				require.Contains(t, about[0], `level=WARN msg="cached secret is not used" address=$SECRET.app.key reason=`)
				require.Contains(t, about[0], tc.says)

				p.step(nil)
				p.set(s, "one")
				requireStart(t, app)
				synctest.Wait()
				require.NotEqual(t, entry, c.entry(s), "it is replaced")
				require.Contains(t, c.entry(s), "one")
			})
		})
	}
}

// TestEntryFromTheFuture: more than a minute ahead of the clock, it is ignored.
// A clock that is corrected by a moment costs no start.
func TestEntryFromTheFuture(t *testing.T) {
	for ahead, used := range map[time.Duration]bool{30 * time.Second: true, 2 * time.Minute: false} {
		c := newEntries()
		run := func(f func(t *testing.T, p *probe, s *secret.Secret, o secret.AppOptions)) {
			synctest.Test(t, func(t *testing.T) { // each begins at the same time
				p, s := newProbe(), static("key")
				p.set(s, "one")
				f(t, p, s, secret.AppOptions{Store: p, Cache: c, Logger: silence, MaxStale: time.Hour})
			})
		}
		run(func(t *testing.T, p *probe, s *secret.Secret, o secret.AppOptions) {
			time.Sleep(ahead)
			ran(t, o, s)
		})
		run(func(t *testing.T, p *probe, s *secret.Secret, o secret.AppOptions) {
			p.step(refuse)
			app := secret.NewApp(o).Use(s)
			err := app.Start(context.Background())
			defer app.Close()
			if !used {
				require.ErrorIs(t, err, errRefused)
				return
			}
			require.NoError(t, err)
			require.Equal(t, time.Now().UTC(), app.Status().Secrets[0].CachedAt, "never in the future")
		})
	}
}

// TestEntryMustFitTheDeclaration: its format and the declared length.
func TestEntryMustFitTheDeclaration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []secret.Options{{Bytes: 16, Encoding: secret.EncodingRaw}, {Format: secret.FormatCompact}} {
			p, c, s := newProbe(), newEntries(), static("key")
			p.set(s, marker)
			o := secret.AppOptions{Store: p, Cache: c, Logger: silence}
			ran(t, o, s)
			d.Namespace, d.Name = "app", "key"
			p.step(refuse)
			var log logged
			o.Logger = log.logger()
			require.ErrorIs(t, secret.NewApp(o).Use(secret.Generated(d)).Start(context.Background()), errRefused)
			lines := log.lines()
			require.Len(t, lines, 1)
			require.Contains(t, lines[0], "cached secret is not used")
			require.NotContains(t, lines[0], marker)
		}
	})
}

// TestMaxStaleCountsFromTheConfirmation, also for a cached value: it is read
// until then and not longer.
func TestMaxStaleCountsFromTheConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s := newProbe(), newEntries(), static("key")
		p.set(s, "one")
		o := secret.AppOptions{Store: p, Cache: c, MaxStale: time.Hour, Logger: silence}
		ran(t, o, s)
		p.step(refuse)
		time.Sleep(50 * time.Minute)
		s = static("key")
		app := secret.NewApp(o).Use(s)
		requireStart(t, app)
		time.Sleep(9 * time.Minute)
		requireRead(t, "one", s)
		time.Sleep(time.Minute + time.Second)
		_, err := s.Current().Text()
		require.ErrorIs(t, err, errRefused)
		require.True(t, app.Status().Secrets[0].Failing)

		p.step(nil)
		time.Sleep(10 * time.Minute)
		requireRead(t, "one", s)
	})
}

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

// TestStartRetriesUntilItsDeadline: only loads that are out of reach, with pauses, and
// it starts as soon as all stores answer.
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

// TestCacheIsNoStore: neither of an App nor of a secret.
func TestCacheIsNoStore(t *testing.T) {
	cache := secret.DirCache(t.TempDir())
	for name, app := range map[string]*secret.App{
		"of the App":   secret.NewApp(secret.AppOptions{Store: cache}).Use(static("key")),
		"of a secret":  secret.NewApp(secret.AppOptions{}).Use(static("key").With(cache)),
		"beside Cache": secret.NewApp(secret.AppOptions{Store: cache, Cache: cache}).Use(static("key")),
	} {
		err := app.Start(context.Background())
		require.ErrorIs(t, err, secret.ErrInvalid, name)
		require.ErrorContains(t, err, "the store of $SECRET.app.key is a Cache", name)
	}
}
