package secrettest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// chainOf returns a Chain whose stores each have a part of the values.
func chainOf(t *testing.T, values map[secret.Address]string) secret.Store {
	first, second := t.TempDir(), t.TempDir()
	for i, a := range sorted(values) {
		dir := []string{first, second}[i%2]
		require.NoError(t, os.WriteFile(filepath.Join(dir, a.Binding()), []byte(values[a]), 0o600))
	}
	return secret.Chain(secret.Env(), secret.Dir(first), secret.Chain(secret.Dir(second), secret.NewMemory(nil)))
}

func TestChainIsAStore(t *testing.T) {
	t.Run("in several stores", func(t *testing.T) { TestStore(t, chainOf) })
	t.Run("in a map of texts", func(t *testing.T) {
		TestStore(t, func(_ *testing.T, values map[secret.Address]string) secret.Store {
			return secret.Chain(secret.NewMemory(nil), memory(values))
		})
	})
	t.Run("in BatchStores and others", func(t *testing.T) {
		TestStore(t, func(t *testing.T, values map[secret.Address]string) secret.Store {
			some := map[secret.Address]string{}
			for i, a := range sorted(values) {
				if i%3 == 0 {
					some[a] = values[a]
				}
			}
			chain := secret.Chain(chainOf(t, some), batch{memory(values), oneByOne}, secret.NewMemory(nil))
			require.Implements(t, (*secret.BatchStore)(nil), chain)
			return chain
		})
	})
}

// TestChainWatches: a value moves between the stores of the Chain.
func TestChainWatches(t *testing.T) {
	requireWatches(t, func(*testing.T) func(*testing.T) watched {
		return func(*testing.T) watched {
			first, second := secret.NewMemory(nil), secret.NewMemory(nil)
			chain := secret.Chain(first, secret.Env(), second)
			turn := 0
			return watched{chain, chain.(secret.Watcher),
				func(a secret.Address, text string) {
					turn++
					if turn%2 == 0 {
						first.Delete(a.String())
						second.Set(a.String(), text)
						return
					}
					first.Set(a.String(), text)
				},
				func(a secret.Address) {
					first.Delete(a.String())
					second.Delete(a.String())
				}}
		}
	})
}
