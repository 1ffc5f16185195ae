package secret_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestVariablesOfAChainAreNotCached: a Chain with Env overrides a secret without
// a copy of the variable on the disk. The texts of its other stores are copied.
func TestVariablesOfAChainAreNotCached(t *testing.T) {
	t.Setenv(static("overridden").Address().Binding(), marker)
	for name, store := range map[string]func(*many) secret.Store{
		"by Get":    func(m *many) secret.Store { return secret.Chain(secret.Env(), m.probe) },
		"by GetAll": func(m *many) secret.Store { return secret.Chain(secret.Chain(secret.Env()), m) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c, overridden, key := newMany(), newEntries(), static("overridden"), static("key")
				m.set(overridden, "remote")
				m.set(key, "k")
				o := secret.AppOptions{Store: store(m), Cache: c, Logger: silence}
				app := secret.NewApp(o).Use(overridden, key)
				require.NoError(t, app.Start(t.Context()))
				requireRead(t, marker, overridden)
				time.Sleep(20 * time.Minute)
				require.NoError(t, app.Close())
				require.Zero(t, c.written(overridden))
				require.Greater(t, c.written(key), 1)

				m.step(refuse)
				overridden, key = static("overridden"), static("key")
				o.Store = secret.Chain(secret.Env(), m.probe)
				requireStart(t, secret.NewApp(o).Use(overridden, key))
				requireRead(t, marker, overridden)
				requireRead(t, "k", key)
			})
		})
	}
}

// TestCacheIsNoStoreOfAChain.
func TestCacheIsNoStoreOfAChain(t *testing.T) {
	cache := secret.DirCache(t.TempDir())
	for name, store := range map[string]secret.Store{
		"last":    secret.Chain(secret.Env(), cache),
		"first":   secret.Chain(cache, secret.NewMemory(nil)),
		"a chain": secret.Chain(secret.Env(), secret.Chain(newMany(), cache)),
	} {
		for where, app := range map[string]*secret.App{
			"of the App":  secret.NewApp(secret.AppOptions{Store: store}).Use(static("key")),
			"of a secret": secret.NewApp(secret.AppOptions{}).Use(static("key").With(store)),
		} {
			err := app.Start(t.Context())
			require.ErrorIs(t, err, secret.ErrInvalid, name+", "+where)
			require.ErrorContains(t, err, "the store of $SECRET.app.key is a Cache", name+", "+where)
		}
	}
}
