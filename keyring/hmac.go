package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"

	"github.com/layeron-hq/secret"
)

// VerifyHMAC checks the signature of a webhook. It returns nil if mac is the
// HMAC-SHA256 of message under a version of s that has not expired. If no such
// version fits, the error wraps [ErrInvalidToken]. mac is the code itself, 32
// bytes: decode the hex or base64 of the header first.
//
// The sender chose the key, so its bytes are used unchanged: there is no
// purpose and no minimum length. Every holder of the key, the receiver
// included, can make valid codes. All versions are tried, even after a match,
// and compared in constant time. A version that does not decode as declared is
// left out; if none decodes, VerifyHMAC returns the errors of decoding, which
// do not wrap ErrInvalidToken. A message that is sent again is accepted again:
// check the time or the id that the sender signed with it.
//
// Errors of reading the secret are those of [secret.Secret.Active]. It is safe
// for concurrent use.
func VerifyHMAC(s *secret.Secret, message, mac []byte) error {
	versions, err := s.Active()
	if err != nil {
		return wrap("keyring: verify HMAC", err)
	}
	refused := wrap("keyring: verify HMAC under "+s.String(), ErrInvalidToken)
	if len(versions) == 0 {
		return fail(refused.Error()+": "+secret.ErrNotActive.Error(), refused, secret.ErrNotActive)
	}
	found, tried := 0, 0
	var undecoded error
	for _, v := range versions {
		key, err := v.Bytes()
		if err != nil {
			undecoded = errors.Join(undecoded, err)
			continue
		}
		h := hmac.New(sha256.New, key)
		h.Write(message)
		found |= subtle.ConstantTimeCompare(h.Sum(nil), mac)
		tried++
	}
	switch {
	case tried == 0:
		return wrap("keyring: verify HMAC", undecoded)
	case found == 0:
		return because(refused, "no active version makes this code")
	}
	return nil
}
