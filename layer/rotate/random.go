package rotate

import (
	"crypto/rand"
	"encoding/base64"

	"github.com/layeron-hq/secret"
)

// randomText returns a new value of a random secret: unpadded base64url of N
// random bytes, or with EncodingRaw N base64url characters.
func randomText(spec secret.SpecSecret) string {
	b := make([]byte, spec.Bytes)
	_, _ = rand.Read(b) // never fails: it crashes the program instead
	text := base64.RawURLEncoding.EncodeToString(b)
	if spec.Encoding == secret.EncodingRaw {
		return text[:spec.Bytes]
	}
	return text
}
