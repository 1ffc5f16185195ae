package secrettest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

func ids(versions []secret.Version) (ids []string) {
	for _, v := range versions {
		ids = append(ids, v.ID)
	}
	return ids
}

// TestRotationTakesItsPhases takes a running App through a whole rotation, and
// sees its reads follow.
func TestRotationTakesItsPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})
		store := secrettest.Set(t, key, "first")
		app := secret.NewApp(secret.AppOptions{}).Use(key)
		require.NoError(t, app.Start(context.Background()))
		defer app.Close()
		see := func(current string, active ...string) {
			t.Helper()
			time.Sleep(time.Second) // an App spreads its looks over a second
			synctest.Wait()
			v, err := key.Current().Get(context.Background())
			require.NoError(t, err)
			require.Equal(t, current, v.ID)
			accepted, err := key.Active()
			require.NoError(t, err)
			require.Equal(t, active, ids(accepted))
		}
		see("v1", "v1")

		require.Equal(t, "v2", secrettest.Announce(t, store, key, "second", time.Now().Add(24*time.Hour)))
		see("v1", "v1", "v2")
		time.Sleep(24 * time.Hour)
		secrettest.Flip(t, store, key, 48*time.Hour)
		see("v2", "v2", "v1")
		time.Sleep(48 * time.Hour)
		see("v2", "v2")
		_, err := key.Version("v1").Text()
		require.NoError(t, err, "an expired version stays readable until it is pruned")
		secrettest.Prune(t, store, key)
		see("v2", "v2")
		_, err = key.Version("v1").Text()
		require.ErrorIs(t, err, secret.ErrVersionNotFound)
	})
}

// A store may hold the text under the declared binding name.
func TestRotationOfASecretWithADeclaredBinding(t *testing.T) {
	key := secret.Static(secret.Options{Namespace: "app", Name: "db", Binding: "DATABASE_URL"})
	store := secret.NewMemory(map[string]string{"DATABASE_URL": "first"})
	require.Equal(t, "v2", secrettest.Announce(t, store, key, "second", time.Now()))
	secrettest.Flip(t, store, key, time.Hour)
	v, err := key.With(store).Current().Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, "v2", v.ID)
}
