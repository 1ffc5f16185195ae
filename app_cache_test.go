package secret_test

import (
	"context"
	"fmt"
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
