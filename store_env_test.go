package secret_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func TestEnvReadsTheVariableOfTheBinding(t *testing.T) {
	ctx := t.Context()
	_, err := secret.Env().Get(ctx, authKey)
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.EqualError(t, err, "not found: environment variable "+authBinding+" is not set")

	for _, text := range []string{"sk_test", " a \n", "v1=a;v2=b", "x"} {
		t.Setenv(authBinding, text)
		got, err := secret.Env().Get(ctx, authKey)
		require.NoError(t, err)
		require.Equal(t, text, got)
	}
}

// A variable that is set but empty is a mistake of another kind than one that
// is not set, and says so.
func TestEmptyVariableIsNotMissing(t *testing.T) {
	t.Setenv(authBinding, "")
	got, err := secret.Env().Get(t.Context(), authKey)
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = sessionKey(nil).Current().Text()
	require.ErrorIs(t, err, secret.ErrEmpty)
	require.NotErrorIs(t, err, secret.ErrNotFound)
	require.ErrorContains(t, err, "environment variable "+authBinding)
}
