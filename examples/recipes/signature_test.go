package recipes

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/secrettest"
)

// download returns the public keys by kid, as a verifier has them.
func download(t *testing.T) map[string]ed25519.PublicKey {
	t.Helper()
	w := httptest.NewRecorder()
	serveKeys(w, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	require.Equal(t, 200, w.Code)
	require.NotContains(t, w.Body.String(), `"d"`, "a private key has this member")
	var set struct{ Keys []jwk }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &set))
	keys := map[string]ed25519.PublicKey{}
	for _, k := range set.Keys {
		public, err := base64.RawURLEncoding.DecodeString(k.X)
		require.NoError(t, err)
		k.X = ""
		require.Equal(t, jwk{Kty: "OKP", Crv: "Ed25519", Alg: "EdDSA", Use: "sig", Kid: k.Kid}, k)
		keys[k.Kid] = public
	}
	return keys
}

func TestPublicKeysAreKnownBeforeTheirFirstSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		message := []byte("message")
		r := start(t, signingSeed, key("a"))
		requireSigned := func(wantKid string, keys map[string]ed25519.PublicKey) {
			t.Helper()
			kid, signature, err := sign(t.Context(), message)
			require.NoError(t, err)
			require.Equal(t, wantKid, kid)
			require.True(t, ed25519.Verify(keys[kid], message, signature))
			require.False(t, ed25519.Verify(keys[kid], []byte("another"), signature))
		}
		requireSigned("v1", download(t))
		r.announce(key("b"))
		downloaded := download(t)
		require.Len(t, downloaded, 2)
		requireSigned("v1", downloaded)
		r.flip()
		requireSigned("v2", downloaded) // by keys from before the flip
		time.Sleep(time.Hour)
		require.Len(t, download(t), 1)
	})
}

func TestKeysThatCannotBeReadAre503(t *testing.T) {
	store := secrettest.Set(t, signingSeed, key("a"))
	store.Fail(errors.New("no route"))
	w := httptest.NewRecorder()
	serveKeys(w, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	require.Equal(t, 503, w.Code)
	store.Fail(nil)
	store.Set(signingSeed.Address().String(), "too short")
	_, err := publicKeys()
	require.Error(t, err)
	_, _, err = sign(t.Context(), nil)
	require.Error(t, err)
}
