package secret_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// Package secrettest shows that the stores pass secrettest.TestStore. Tests of
// one store are in store_env_test.go, store_dir_test.go and
// store_memory_test.go; this file has the tests that all three share.

var authKey = secret.Address{Namespace: "auth", Name: "session-key"}

const authBinding = "LAYERON_SECRET_AUTH_SESSION_KEY"

func TestStoresAreLocators(t *testing.T) {
	dir := t.TempDir()
	for want, store := range map[string]secret.Store{
		"environment variable " + authBinding:     secret.Env(),
		"file " + filepath.Join(dir, authBinding): secret.Dir(dir),
		"memory store, " + authBinding:            secret.NewMemory(nil),
	} {
		locator, ok := store.(secret.Locator)
		require.True(t, ok, "%T", store)
		require.Equal(t, want, locator.Locate(authKey))
	}
}

// An address that was made by hand may lack its namespace.
func TestStoresKnowTheDefaultNamespace(t *testing.T) {
	const binding = "LAYERON_SECRET_DEFAULT_KEY"
	dir := t.TempDir()
	write(t, filepath.Join(dir, binding), "text")
	t.Setenv(binding, "text")
	for _, store := range []secret.Store{secret.Env(), secret.Dir(dir),
		secret.NewMemory(map[string]string{binding: "text"})} {
		for _, addr := range []secret.Address{{Name: "key"}, {Namespace: "default", Name: "key"}} {
			got, err := store.Get(t.Context(), addr)
			require.NoError(t, err, "%T", store)
			require.Equal(t, "text", got)
		}
	}
}

// A caller that cancels with a cause gets the cause, and errors.Is(err,
// context.Canceled) still holds: callers use it to distinguish their own
// cancellation from a failure.
func TestStoresTellContextErrorAndCause(t *testing.T) {
	cause := errors.New("the caller has gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	for name, store := range map[string]secret.Store{
		"env": secret.Env(), "dir": secret.Dir(t.TempDir()), "memory": oneSecret("text"),
	} {
		t.Run(name, func(t *testing.T) {
			text, err := store.Get(ctx, authKey)
			require.Empty(t, text)
			require.ErrorIs(t, err, cause)
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, secret.ErrNotFound)
		})
	}
}
