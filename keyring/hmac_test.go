package keyring_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

func TestVerifyHMAC(t *testing.T) {
	body := []byte(`{"event":"paid"}`)
	given := secret.Static(secret.Options{Name: "k"})
	const text = "current=v2;v1=whsec-first;v2=x;v3=announced;v3_active=2999-01-01T00:00:00Z;v0=gone;v0_expires=" +
		"2020-01-01T00:00:00Z"
	for name, c := range map[string]struct {
		text string
		mac  []byte
		want error
	}{
		"current, of one byte": {text, hmacOf([]byte("x"), body), nil},
		"the one before":       {text, hmacOf([]byte("whsec-first"), body), nil},
		"announced":            {text, hmacOf([]byte("announced"), body), nil},
		"plain":                {"whsec", hmacOf([]byte("whsec"), body), nil},
		"expired":              {text, hmacOf([]byte("gone"), body), keyring.ErrInvalidToken},
		"another key":          {text, hmacOf([]byte("y"), body), keyring.ErrInvalidToken},
		"another body":         {text, hmacOf([]byte("x"), body[1:]), keyring.ErrInvalidToken},
		"cut":                  {text, hmacOf([]byte("x"), body)[:31], keyring.ErrInvalidToken},
		"longer":               {text, append(hmacOf([]byte("x"), body), 0), keyring.ErrInvalidToken},
		"empty":                {text, nil, keyring.ErrInvalidToken},
		"none active": {"current=v1;v1=x;v1_expires=2020-01-01T00:00:00Z", hmacOf([]byte("x"), body),
			secret.ErrNotActive},
		"nothing stored": {"", nil, secret.ErrEmpty},
	} {
		err := keyring.VerifyHMAC(given.With(memory("k", c.text)), body, c.mac)
		if c.want == nil {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, c.want, name)
		if name != "nothing stored" {
			require.ErrorIs(t, err, keyring.ErrInvalidToken, name)
		}
	}
	require.NoError(t, keyring.VerifyHMAC(given.With(memory("k", "whsec")), nil, hmacOf([]byte("whsec"))))
	require.ErrorIs(t, keyring.VerifyHMAC(nil, nil, nil), secret.ErrInvalid)
}

// TestVerifyHMACSkips: a version whose length is not the declared one does not
// affect the others.
func TestVerifyHMACSkips(t *testing.T) {
	body := []byte("body")
	s := stored("current=v2;v1=too-short;v2=" + hexKey(2))
	require.NoError(t, keyring.VerifyHMAC(s, body, hmacOf(rawKey(2), body)))
	require.ErrorIs(t, keyring.VerifyHMAC(s, body, hmacOf([]byte("too-short"), body)), keyring.ErrInvalidToken)
	err := keyring.VerifyHMAC(stored("too-short"), body, hmacOf([]byte("too-short"), body))
	require.ErrorIs(t, err, secret.ErrEncoding)
	require.NotErrorIs(t, err, keyring.ErrInvalidToken, "the key is at fault, not the code")
}

func TestVerifyHMACInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		s := stored("current=v2;v2=" + hexKey(2) + ";v1=" + hexKey(1) + ";v1_expires=" + end)
		old := hmacOf(rawKey(1), []byte("body"))
		time.Sleep(time.Hour - 1)
		require.NoError(t, keyring.VerifyHMAC(s, []byte("body"), old))
		time.Sleep(time.Nanosecond)
		require.ErrorIs(t, keyring.VerifyHMAC(s, []byte("body"), old), keyring.ErrInvalidToken)
	})
}
