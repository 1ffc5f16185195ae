package recipes

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestStartSurvivesItsStore: with a cache from memory of the last run, and by
// waiting on a machine that has none. A rotation in between is found as soon as
// the store is back.
func TestStartSurvivesItsStore(t *testing.T) {
	t.Setenv(cacheKey.Binding(), strings.Repeat("07", 32))
	folder := filepath.Join(t.TempDir(), "cache")
	synctest.Test(t, func(t *testing.T) {
		one, two := strings.Repeat("01", 32), strings.Repeat("02", 32)
		store := secret.NewMemory(map[string]string{webhookKey.Address().String(): "current=v1;v1=" + one})
		current := func() string {
			v, err := webhookKey.Current().Get(t.Context())
			require.NoError(t, err)
			return v.ID
		}
		store.Fail(errors.New("connection refused"))
		time.AfterFunc(time.Minute, func() { store.Fail(nil) })
		app, err := startAnyway(t.Context(), store, folder)
		require.NoError(t, err)
		require.Equal(t, "v1", current())
		require.NoError(t, app.Close())

		entry, err := os.ReadFile(filepath.Join(folder, "secret.shop.webhook-key"))
		require.NoError(t, err)
		require.NotContains(t, string(entry), one)

		store.Fail(errors.New("connection refused"))
		began := time.Now()
		app, err = startAnyway(t.Context(), store, folder)
		require.NoError(t, err)
		require.Zero(t, time.Since(began))
		require.Equal(t, "v1", current())
		require.NotZero(t, app.Status().Secrets[0].CachedAt)

		store.Fail(nil)
		store.Set(webhookKey.Address().String(), "current=v2;v1="+one+";v2="+two)
		time.Sleep(2 * time.Minute)
		require.Equal(t, "v2", current())
		require.Zero(t, app.Status().Secrets[0].CachedAt)
		require.NoError(t, app.Close())
	})
}
