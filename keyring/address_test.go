package keyring_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// TestAddressIsNoPartOfTheKey: a renamed secret accepts the tokens and texts
// from before, and so does any other secret with an equal value, version id and
// purpose. Another value, id or purpose is refused.
func TestAddressIsNoPartOfTheKey(t *testing.T) {
	holding := func(namespace, name, text string) *secret.Secret {
		s := secret.Random(secret.Options{Namespace: namespace, Name: name})
		return s.With(secret.NewMemory(map[string]string{s.Address().String(): text}))
	}
	before := holding("auth", "session-key", "current=v1;v1="+hexKey(1))
	token, err := keyring.NewSigner(before, "p").Sign([]byte("ann"), time.Time{})
	require.NoError(t, err)
	sealed, err := keyring.NewSealer(before, "p").Seal([]byte("ann"), []byte("c"))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		secret   *secret.Secret
		purpose  string
		accepted bool
	}{
		"renamed":                {holding("auth", "cookie-key", "current=v1;v1="+hexKey(1)), "p", true},
		"in another namespace":   {holding("billing", "session-key", "current=v1;v1="+hexKey(1)), "p", true},
		"of an equal value":      {holding("storage", "record-key", "current=v2;v1="+hexKey(1)+";v2="+hexKey(2)), "p", true},
		"of another value":       {holding("auth", "session-key", "current=v1;v1="+hexKey(2)), "p", false},
		"under another id":       {holding("auth", "session-key", "current=v2;v1="+hexKey(2)+";v2="+hexKey(1)), "p", false},
		"for another purpose":    {holding("auth", "session-key", "current=v1;v1="+hexKey(1)), "q", false},
		"renamed, another value": {holding("auth", "cookie-key", "current=v1;v1="+hexKey(2)), "p", false},
	} {
		t.Run(name, func(t *testing.T) {
			payload, err := keyring.NewSigner(c.secret, c.purpose).Verify(ctx, token)
			plain, err2 := keyring.NewSealer(c.secret, c.purpose).Open(ctx, sealed, []byte("c"))
			if !c.accepted {
				require.ErrorIs(t, err, keyring.ErrInvalidToken)
				require.ErrorIs(t, err2, keyring.ErrOpen)
				return
			}
			require.NoError(t, err)
			require.NoError(t, err2)
			require.Equal(t, "ann", string(payload))
			require.Equal(t, "ann", string(plain))
		})
	}
}
