package secret_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// requireMissingSince checks an optional secret of which the cache says that it
// is not set.
func requireMissingSince(t testing.TB, app *secret.App, s *secret.Secret, confirmed, began time.Time) {
	t.Helper()
	_, err := s.Current().Text()
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.ErrorContains(t, err, s.Address().String())
	st := statusOf(t, app, s)
	require.False(t, st.Failing)
	require.False(t, st.NeedsPerson)
	require.True(t, app.Status().OK)
	require.Equal(t, confirmed.UTC(), st.CachedAt)
	require.Equal(t, confirmed.UTC(), st.LastSuccess)
	require.Equal(t, began.UTC(), st.StaleSince)
	require.Contains(t, st.LastError, "connection refused")
	require.Empty(t, st.Current)
}

// TestAbsenceIsCached: an optional secret that the store has no value for starts
// without one while the store is out of reach, also one of a batch. It then
// follows the store.
func TestAbsenceIsCached(t *testing.T) {
	refused := func(context.Context, []secret.Address) (map[secret.Address]string, error) { return nil, errRefused }
	for name, one := range map[string]bool{"one": true, "a batch": false} {
		for _, value := range []string{"", "current=v2;v2=two"} {
			t.Run(name+", then "+value, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, c, s, key := newMany(), newEntries(), optional("webhook"), static("key")
					m.set(key, "k")
					var log logged
					o := secret.AppOptions{Store: m, Cache: c, Logger: log.logger()}
					if one {
						o.Store = m.probe
					}
					ran(t, o, s, key)
					confirmed := time.Now()
					require.Contains(t, c.entry(s), `"missing":true`)

					time.Sleep(3 * time.Hour)
					m.step(refuse)
					m.answers(refused)
					s, key = optional("webhook"), static("key")
					app := secret.NewApp(o).Use(s, key)
					log.lines()
					requireStart(t, app)
					began := time.Now()
					requireMissingSince(t, app, s, confirmed, began)
					require.Equal(t, confirmed.UTC(), statusOf(t, app, key).CachedAt)
					lines := log.lines()
					require.Len(t, lines, 3)
					require.Contains(t, lines[2], "secrets=2")
					var heard told
					app.OnChange(heard.hear)
					time.Sleep(30 * time.Minute)
					requireMissingSince(t, app, s, confirmed, began)
					require.Equal(t, 1, c.written(s), "an outage confirms nothing")

					if value != "" {
						m.set(s, value)
					}
					m.step(nil)
					m.answers(m.present)
					time.Sleep(6 * time.Minute)
					synctest.Wait()
					changes := heard.all()
					st := statusOf(t, app, s)
					require.Zero(t, st.CachedAt)
					require.Zero(t, st.StaleSince)
					require.Empty(t, st.LastError)
					require.Len(t, log.lines(), 2+len(changes), "both can be loaded again")
					if value == "" {
						requireMissing(t, s)
						requireNotSet(t, app, s)
						require.Empty(t, changes)
						require.Contains(t, c.entry(s), `"missing":true`)
						require.Greater(t, c.written(s), 1, "confirmed anew")
						return
					}
					requireRead(t, "two", s)
					require.Len(t, changes, 1)
					require.Empty(t, changes[0].Old)
					require.Equal(t, "v2", changes[0].New)
					require.Contains(t, c.entry(s), "v2=two")
				})
			})
		}
	}
}

// TestRemovedValueIsNotCached: an optional secret is not set after a restart,
// with the store out of reach as with the store. Reads of the App before still
// return the last value.
func TestRemovedValueIsNotCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s := newProbe(), newEntries(), optional("webhook")
		p.set(s, marker)
		o := secret.AppOptions{Store: p, Cache: c, Logger: silence}
		app := secret.NewApp(o).Use(s)
		require.NoError(t, app.Start(t.Context()))
		p.texts.Delete(s.Address().String())
		require.NoError(t, app.Refresh(t.Context()))
		removed := time.Now()
		p.step(refuse)
		time.Sleep(10 * time.Minute)
		requireRead(t, marker, s)
		require.NotContains(t, c.entry(s), marker)
		require.NoError(t, app.Close())
		s = optional("webhook")
		app = secret.NewApp(o).Use(s)
		requireStart(t, app)
		requireMissingSince(t, app, s, removed, time.Now())
	})
}

// TestAbsenceNeverGoesBackwards: this process knows from the store that there is
// no value. An entry from before has one.
func TestAbsenceNeverGoesBackwards(t *testing.T) {
	for name, load := range map[string]func(*testing.T, *secret.App, *secret.Secret){
		"a read before Start": func(t *testing.T, _ *secret.App, s *secret.Secret) { requireMissing(t, s) },
		"a Start that failed": func(t *testing.T, app *secret.App, _ *secret.Secret) {
			require.ErrorIs(t, app.Start(t.Context()), secret.ErrEmpty)
		},
	} {
		for fails, put := range map[string]func(context.Context, secret.Address) error{"": nil, " and the cache is full": refuse} {
			t.Run(name+fails, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, c, s, key := newProbe(), newEntries(), optional("webhook"), static("key")
					p.set(s, "old")
					p.set(key, "k")
					o := secret.AppOptions{Store: p, Cache: c, Logger: silence}
					ran(t, o, s, key)
					time.Sleep(time.Hour)
					p.texts.Delete(s.Address().String())
					p.set(key, " ")
					c.step(nil, put)
					s, key = optional("webhook"), static("key")
					app := secret.NewApp(o).Use(s, key)
					load(t, app, s)
					confirmed := time.Now()
					synctest.Wait()
					if put == nil {
						require.Contains(t, c.entry(s), `"missing":true`)
					}
					p.step(refuse)
					time.Sleep(time.Minute)
					requireStart(t, app)
					requireMissing(t, s)
					st := statusOf(t, app, s)
					require.Zero(t, st.CachedAt, "this process has asked the store")
					require.Equal(t, confirmed.UTC(), st.LastSuccess)
				})
			})
		}
	}
}

// TestMaxStaleOfACachedAbsence counts from its confirmation, too.
func TestMaxStaleOfACachedAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := newProbe(), newEntries()
		o := secret.AppOptions{Store: p, Cache: c, MaxStale: time.Hour, Logger: silence}
		ran(t, o, optional("webhook"))
		p.step(refuse)
		time.Sleep(50 * time.Minute)
		s := optional("webhook")
		app := secret.NewApp(o).Use(s)
		requireStart(t, app)
		requireMissing(t, s)
		time.Sleep(10*time.Minute + time.Second)
		_, err := s.Current().Text()
		require.ErrorIs(t, err, errRefused)
		require.NotErrorIs(t, err, secret.ErrNotFound, "no one knows")
		require.True(t, statusOf(t, app, s).Failing)
		require.ErrorIs(t, secret.NewApp(o).Use(optional("webhook")).Start(t.Context()), errRefused)
		p.step(nil)
		time.Sleep(7 * time.Minute)
		requireMissing(t, s)
		requireNotSet(t, app, s)
		require.Zero(t, statusOf(t, app, s).CachedAt)
	})
}

// TestCachedValueThatTheStoreHasNoMore stays for MaxStale, like each value. From
// then on the absence is the answer, which is not from the cache.
func TestCachedValueThatTheStoreHasNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s := newProbe(), newEntries(), optional("webhook")
		p.set(s, "one")
		o := secret.AppOptions{Store: p, Cache: c, MaxStale: time.Hour, Logger: silence}
		ran(t, o, s)
		p.step(refuse)
		s = optional("webhook")
		app := secret.NewApp(o).Use(s)
		requireStart(t, app)
		p.texts.Delete(s.Address().String())
		p.step(nil)
		time.Sleep(30 * time.Minute)
		requireRead(t, "one", s)
		require.NotZero(t, statusOf(t, app, s).CachedAt)
		time.Sleep(31 * time.Minute)
		requireMissing(t, s)
		require.Zero(t, statusOf(t, app, s).CachedAt)
	})
}

// TestAbsenceIsForOptionalSecrets: a secret that is required by now is asked for
// again. A value counts for both.
func TestAbsenceIsForOptionalSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := newProbe(), newEntries()
		o := secret.AppOptions{Store: p, Cache: c, Logger: silence}
		ran(t, o, optional("key"))
		p.step(refuse)
		var log logged
		o.Logger = log.logger()
		s := static("key")
		err := secret.NewApp(o).Use(s).Start(t.Context())
		require.ErrorIs(t, err, errRefused)
		require.NotErrorIs(t, err, secret.ErrNotFound)
		require.Contains(t, strings.Join(log.lines(), "\n"), "it says that the store has no value")
		p.set(s, "one")
		p.step(nil)
		ran(t, o, s)
		p.step(refuse)
		s = optional("key")
		requireStart(t, secret.NewApp(o).Use(s))
		requireRead(t, "one", s)
	})
}

// TestLastSuccessOfAStartWithRetries is when the store answered, also that there
// is no value, and the entry does not claim more.
func TestLastSuccessOfAStartWithRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c, s, key := newProbe(), newEntries(), optional("webhook"), static("key")
		p.set(key, "k")
		p.step(func(_ context.Context, addr secret.Address) error {
			if addr == key.Address() {
				return errRefused
			}
			return nil
		})
		time.AfterFunc(30*time.Second, func() { p.step(nil) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		app := secret.NewApp(secret.AppOptions{Store: p, Cache: c, Refresh: time.Hour, Logger: silence}).Use(s, key)
		require.NoError(t, app.Start(ctx))
		require.Equal(t, began.UTC(), statusOf(t, app, s).LastSuccess)
		require.NoError(t, app.Close())
		require.Contains(t, c.entry(s), `"confirmed":"2000-01-01T00:00:00Z"`)
	})
}
