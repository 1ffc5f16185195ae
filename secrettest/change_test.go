package secrettest_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

// heard collects Changes.
type heard struct {
	mu      sync.Mutex
	changes []secret.Change
}

func (h *heard) hear(c secret.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes = append(h.changes, c)
}

// take returns the Changes since the last call.
func (h *heard) take() (changes []secret.Change) {
	time.Sleep(time.Second) // an App spreads its loads over a second
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	changes, h.changes = h.changes, nil
	return changes
}

// TestRotationSendsItsChanges: one for each phase, and one for the end of the
// old version, which no document reports.
func TestRotationSendsItsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})
		store := secrettest.Set(t, key, "first")
		app := secret.NewApp(secret.AppOptions{}).Use(key)
		require.NoError(t, app.Start(context.Background()))
		defer app.Close()
		var h heard
		app.OnChange(h.hear, key)
		require.Empty(t, h.take())
		change := func(c secret.Change) {
			t.Helper()
			c.Address = key.Address()
			require.Equal(t, []secret.Change{c}, h.take())
		}
		ids := func(ids ...string) []string { return ids }

		secrettest.Announce(t, store, key, "second", time.Now().Add(24*time.Hour))
		change(secret.Change{Old: "v1", New: "v1", Added: ids("v2")})
		time.Sleep(24 * time.Hour)
		require.Empty(t, h.take(), "the start of an announced version changes nothing that is accepted")
		secrettest.Flip(t, store, key, 48*time.Hour)
		change(secret.Change{Old: "v1", New: "v2", CurrentChanged: true})
		time.Sleep(48 * time.Hour)
		change(secret.Change{Old: "v2", New: "v2", Ended: ids("v1")})
		secrettest.Prune(t, store, key)
		change(secret.Change{Old: "v2", New: "v2", Removed: ids("v1"), Ended: ids("v1")})
	})
}

// TestSwapIsNoChange: neither its begin nor its end is one, before and after
// Start, for a secret that was read before.
func TestSwapIsNoChange(t *testing.T) {
	key := secret.Static(secret.Options{Namespace: "auth", Name: "session-key",
		Store: secret.NewMemory(map[string]string{"$SECRET.auth.session-key": "current=v1;v1=its own"})})
	for range 2 {
		t.Run("swapped", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var h heard
				app := secret.NewApp(secret.AppOptions{}).Use(key)
				app.OnChange(h.hear)
				_, err := key.Current().Text() // the App loads it
				require.NoError(t, err)
				store := secrettest.Set(t, key, "current=v2;v2=of the test")
				require.NoError(t, app.Start(context.Background()))
				defer app.Close()
				app.OnChange(h.hear)
				require.Empty(t, h.take())
				store.Set("$SECRET.auth.session-key", "current=v3;v2=of the test;v3=new")
				want := secret.Change{Address: key.Address(), Old: "v2", New: "v3", CurrentChanged: true, Added: []string{"v3"}}
				require.Equal(t, []secret.Change{want, want}, h.take(), "once for each function")
			})
		})
	}
}
