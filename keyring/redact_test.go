package keyring_test

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/keyring"
)

// TestNothingShown: no key shows, neither as it is stored nor decoded nor
// derived, in a Signer, a Sealer or an error.
func TestNothingShown(t *testing.T) {
	const text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	raw, err := hex.DecodeString(text)
	require.NoError(t, err)
	s := stored("current=v1;v1=" + text)
	tokens, records := keyring.NewSigner(s, "session cookie"), keyring.NewSealer(s, "session cookie")
	token, err := tokens.Sign([]byte("Zq8wKx3vTn5yBm2c"), time.Time{})
	require.NoError(t, err)
	_, err = tokens.Verify(ctx, token)
	require.NoError(t, err)
	sealed, err := records.Seal([]byte("Zq8wKx3vTn5yBm2c"), []byte("Hd7rPf4sLj9gWu6e"))
	require.NoError(t, err)
	_, messageKey, _ := messageKeys(raw, "session cookie", "v1", sealed[5:29], []byte("Hd7rPf4sLj9gWu6e"))
	hidden := []string{text, string(raw), string(derived(raw, "sign", "session cookie")),
		string(derived(raw, "seal", "session cookie")),
		string(messageKey), "Zq8wKx3vTn5yBm2c", "Hd7rPf4sLj9gWu6e", token[len(token)-20:]}

	type holder struct {
		A *keyring.Signer
		B *keyring.Sealer
		a *keyring.Signer
		b *keyring.Sealer
	}
	shown := []any{tokens, records, holder{tokens, records, tokens, records}, &holder{tokens, records, tokens, records},
		[]any{tokens, records}}
	_, err = tokens.Verify(ctx, token[:len(token)-1]+"A")
	shown = append(shown, err)
	_, err = tokens.Verify(ctx, token+"A")
	shown = append(shown, err)
	_, err = records.Open(ctx, sealed, nil)
	shown = append(shown, err)
	_, err = records.OpenText(ctx, token, []byte("Hd7rPf4sLj9gWu6e"))
	shown = append(shown, err, keyring.VerifyHMAC(s, []byte("Zq8wKx3vTn5yBm2c"), raw))
	short := secret.Static(secret.Options{Name: "k"}).With(memory("k", text[:31]))
	_, err = keyring.NewSigner(short, "session cookie").Sign([]byte("Zq8wKx3vTn5yBm2c"), time.Time{})
	shown = append(shown, err)
	for _, v := range shown {
		require.NotNil(t, v)
		require.Empty(t, redacttest.Check(v, hidden...), "%T", v)
	}

	for want, v := range map[string]any{
		`Signer under $SECRET.auth.session-key for "session cookie"`: tokens,
		`Sealer under $SECRET.auth.session-key for "session cookie"`: records,
		"Signer that NewSigner did not make":                         new(keyring.Signer),
		"Sealer that NewSealer did not make":                         (*keyring.Sealer)(nil),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
			require.Equal(t, want, fmt.Sprintf(verb, v))
		}
	}
}

// TestMessagesShowNoValue: an error has the operation, the secret and the
// fault.
func TestMessagesShowNoValue(t *testing.T) {
	s := stored("current=v1;v1=" + hexKey(1))
	tokens := keyring.NewSigner(s, "session cookie")
	_, err := tokens.Verify(ctx, "x")
	require.EqualError(t, err,
		`keyring: verify under $SECRET.auth.session-key for "session cookie": invalid token: it has not the form of a token`)
	_, err = keyring.NewSealer(s, "").Seal(nil, nil)
	require.EqualError(t, err,
		`keyring: seal under $SECRET.auth.session-key for "": invalid: the purpose is empty; say what the key is for, such as "session cookie"`)
	_, err = new(keyring.Signer).Verify(ctx, "x")
	require.EqualError(t, err, "keyring: invalid: a Signer that NewSigner did not make")
}
