package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// iterations is Postgres' own number. More would not make a password of 256 random
// bits stronger, and would slow down every login.
const iterations = 4096

// newPassword returns 256 random bits as base64url, which needs no escapes in a
// URL.
func newPassword() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never returns an error
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// newVerifier returns a SCRAM-SHA-256 verifier of an ASCII password, with a random
// salt.
func newVerifier(password string) (string, error) {
	var salt [16]byte
	_, _ = rand.Read(salt[:])
	return verifier(password, salt[:], iterations)
}

// verifier returns the text that Postgres stores for a password (RFC 5803):
//
//	SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY
//
// A server stores such a text as it is, under every password_encryption.
func verifier(password string, salt []byte, iterations int) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("the verifier of a password cannot be computed: %w", err)
	}
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(mac("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, encode(salt), encode(stored[:]),
		encode(mac("Server Key"))), nil
}
