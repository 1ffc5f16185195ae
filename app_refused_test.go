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

// TestTextThatIsBackIsNoChange: a text that the App has refused for a while, or
// that only a Start which failed has found, leaves no trace when the good one is
// back. The cache still gets the good one.
func TestTextThatIsBackIsNoChange(t *testing.T) {
	good := "current=v1;v1=" + strings.Repeat("ab", 32)
	for name, refused := range map[string]string{
		"length":    "short",
		"marker":    strings.Replace(good, "=v1;", "=v9;", 1),
		"malformed": "current=v1",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c, log := newProbe(), newEntries(), new(logged)
				s := secret.Random(secret.Options{Namespace: "app", Name: "key", Bytes: 32})
				p.set(s, good)
				app := secret.NewApp(secret.AppOptions{Store: p, Cache: c, Refresh: 24 * time.Hour,
					Logger: log.logger()}).Use(s)
				requireStart(t, app)
				var early, late told
				app.OnChange(early.hear)
				before, err := s.Load(t.Context())
				require.NoError(t, err)

				p.set(s, refused)
				require.Error(t, app.Refresh(t.Context()))
				p.set(s, good)
				time.Sleep(time.Hour) // the entry of the cache is written anew
				require.NoError(t, app.Refresh(t.Context()))
				app.OnChange(late.hear)
				synctest.Wait()
				after, err := s.Load(t.Context())
				require.NoError(t, err)
				require.Same(t, before, after)
				require.Empty(t, early.all())
				require.Empty(t, late.all())
				require.Equal(t, 2, c.puts[s.Address()], "the confirmation is new")
				require.NotContains(t, strings.Join(log.lines(), "\n"), "secret has a new")
			})
		})
	}
}

// TestCachedTextAfterAFailedStart: the store returns the text of the entry, so
// nothing has changed.
func TestCachedTextAfterAFailedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := newProbe(), newEntries()
		s := secret.Random(secret.Options{Namespace: "app", Name: "key", Bytes: 32})
		good := "current=v1;v1=" + strings.Repeat("ab", 32)
		p.set(s, good)
		o := secret.AppOptions{Store: p, Cache: c, Logger: silence}
		first := secret.NewApp(o).Use(s)
		require.NoError(t, first.Start(t.Context()))
		require.NoError(t, first.Close())

		app := secret.NewApp(o).Use(s)
		p.set(s, "short")
		require.ErrorIs(t, app.Start(t.Context()), secret.ErrEncoding)
		p.set(s, good)
		p.step(func(context.Context, secret.Address) error { return errRefused })
		requireStart(t, app)
		require.NotZero(t, app.Status().Secrets[0].CachedAt)
		var heard told
		app.OnChange(heard.hear)
		p.step(nil)
		time.Sleep(10 * time.Minute)
		require.Zero(t, app.Status().Secrets[0].CachedAt)
		require.Empty(t, heard.all())
	})
}
