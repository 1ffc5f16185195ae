package keyring_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// The code below implements the format again, as briefly as the standard
// library allows and without the package.

func hmacOf(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(bytes.Join(parts, nil))
	return h.Sum(nil)
}

func derived(ikm []byte, use, purpose string) []byte {
	return hmacOf(hmacOf(make([]byte, 32), ikm), []byte("layeron-hq/secret keyring v1\x00"+use+"\x00"+purpose+"\x01"))
}

func tokenOf(ikm []byte, purpose, id string, expires uint64, payload string) string {
	body := append(binary.BigEndian.AppendUint64(nil, expires), payload...)
	signed := "s1." + id + "." + base64.RawURLEncoding.EncodeToString(body)
	return signed + "." + base64.RawURLEncoding.EncodeToString(hmacOf(derived(ikm, "sign", purpose), []byte(signed)))
}

// messageKeys returns the header of a sealed text, the key of its message and
// its commitment.
func messageKeys(ikm []byte, purpose, id string, salt, context []byte) (header, key, commitment []byte) {
	header = append(append([]byte{0x53, 1, byte(len(id))}, id...), salt...)
	k := derived(ikm, "seal", purpose)
	key = hmacOf(k, header, context, []byte{1})
	return header, key, hmacOf(k, key, header, context, []byte{2})
}

func gcmOf(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(t, err)
	return gcm
}

func sealedOf(t testing.TB, ikm []byte, purpose, id string, salt, context, plaintext []byte) []byte {
	t.Helper()
	header, key, commitment := messageKeys(ikm, purpose, id, salt, context)
	return gcmOf(t, key).Seal(append(header, commitment...), make([]byte, 12), plaintext, nil)
}

// rawKey is a key of 32 equal bytes, hexKey the same as it is stored.
func rawKey(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func hexKey(b byte) string { return hex.EncodeToString(rawKey(b)) }

// stored returns a random secret that reads text.
func stored(text string) *secret.Secret {
	s := secret.Random(secret.Options{Namespace: "auth", Name: "session-key"})
	return s.With(secret.NewMemory(map[string]string{s.Binding(): text}))
}
