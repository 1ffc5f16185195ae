package secret_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestEntryIsOfTheFirstDeclaration of an address: a copy that With made for
// another store never writes it, so that no restart reads the value of that
// store.
func TestEntryIsOfTheFirstDeclaration(t *testing.T) {
	for name, run := range map[string]func(*testing.T, *secret.App, *secret.Secret, *secret.Secret){
		"a copy after Start": func(t *testing.T, app *secret.App, s, other *secret.Secret) {
			require.NoError(t, app.Use(s).Start(t.Context()))
			requireRead(t, "two", other)
			app.Use(other)
			requireRead(t, "two", other)
			require.NoError(t, app.Refresh(t.Context()))
		},
		"reads before Start": func(t *testing.T, app *secret.App, s, other *secret.Secret) {
			app.Use(s, other)
			requireRead(t, "one", s)
			requireRead(t, "two", other)
		},
		"a Start that fails": func(t *testing.T, app *secret.App, s, other *secret.Secret) {
			require.ErrorContains(t, app.Use(s, other).Start(t.Context()), "declared twice")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b, s := newProbe(), newProbe(), static("key")
				a.set(s, "one")
				b.set(s, "two")
				b.step(func(context.Context, secret.Address) error { time.Sleep(time.Second); return nil })
				o := secret.AppOptions{Store: a, Cache: secret.DirCache(t.TempDir() + "/cache"), Logger: silence}
				app := secret.NewApp(o)
				run(t, app, s, s.With(b))
				synctest.Wait()
				require.NoError(t, app.Close())

				a.step(refuse)
				s = static("key")
				requireStart(t, secret.NewApp(o).Use(s))
				requireRead(t, "one", s)
			})
		})
	}
}
