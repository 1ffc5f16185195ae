package keyring

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret"
)

// Signer makes tokens and verifies its own: a payload that anyone can read and
// that cannot be changed without the key. Make one with [NewSigner], for each
// purpose. It is safe for concurrent use. Under any verb of fmt, in JSON or in
// a log it shows its secret's address and its purpose, never a key. All calls
// on the zero Signer fail with [secret.ErrInvalid].
type Signer struct {
	ring atomic.Pointer[ring] // set once; hidden from reflection
}

// NewSigner returns a Signer under the versions of s. The purpose is any text
// that names the use of the tokens, such as "session cookie". Each purpose has
// its own keys, and a token made for one is not accepted for another. The
// address of s is not part of the keys. Every call reports an empty purpose or
// a wrong declaration as [secret.ErrInvalid].
func NewSigner(s *secret.Secret, purpose string) *Signer {
	signer := new(Signer)
	signer.ring.Store(newRing(s, "sign", purpose))
	return signer
}

// Sign returns a token with payload, of at most 64 KiB, signed by the current
// version. The token is safe in a cookie, which holds about 4 KB, and in a URL.
//
// The token is accepted until expires, rounded down to the second, or until its
// version expires, whichever comes first: retain a version for as long as its
// tokens live. With the zero Time only the version's life counts.
//
// Errors wrap [secret.ErrTooLarge]; [secret.ErrInvalid] for a time before
// 1970-01-01T00:00:01Z or after the year 9999, for a key that is too short and
// for an id that a token cannot contain; [secret.ErrNotActive] if the current
// version has expired; or an error of [secret.Secret.Load]. Without an App each
// call asks the store and waits up to 10 seconds.
func (s *Signer) Sign(payload []byte, expires time.Time) (string, error) {
	r := s.made()
	if r == nil {
		return "", unmade("Signer")
	}
	token, err := r.sign(payload, expires)
	if err != nil {
		return "", r.failed("sign", err)
	}
	return token, nil
}

func (r *ring) sign(payload []byte, expires time.Time) (string, error) {
	if len(payload) > maxPayload {
		return "", because(secret.ErrTooLarge, "the payload has "+strconv.Itoa(len(payload))+
			" bytes, a token takes up to 65536")
	}
	end := int64(0)
	if !expires.IsZero() {
		if end = expires.Unix(); end < 1 || end > lastSecond {
			return "", because(secret.ErrInvalid,
				"the token's expiry lies outside 1970-01-01T00:00:01Z to the end of 9999; the zero Time means none")
		}
	}
	v, k, err := r.current(new(lazyTimeout))
	if err != nil {
		return "", err
	}
	if !v.ExpiresAt.IsZero() && !time.Now().Before(v.ExpiresAt) {
		return "", because(secret.ErrNotActive, "the current version, "+v.ID+
			", has expired, so no reader would accept the token; rotate the secret")
	}
	return k.newToken(v.ID, end, payload), nil
}

// Verify returns the payload of a token that was signed for this purpose, if
// neither the token nor the version that signed it has expired. Any other token
// is refused with [ErrInvalidToken]; a genuine one after its time also with
// [ErrExpired]. Verify does not detect that a token was used before or was
// copied.
//
// A token may name a version that is newer than this machine's copy of the
// secret. Verify then asks the store, at most once in ten seconds, and waits
// for the answer, no longer than ctx. Under an App only the calls for a version
// that this machine does not have wait for the store. The slice belongs to the
// caller.
func (s *Signer) Verify(ctx context.Context, token string) (payload []byte, err error) {
	r := s.made()
	if r == nil {
		return nil, unmade("Signer")
	}
	if err := r.usable(); err != nil {
		return nil, r.failed("verify", err)
	}
	t, ok := parseToken(token)
	if !ok {
		return nil, r.refused("verify", ErrInvalidToken, errForm)
	}
	k, err := r.find(ctx, t.id, pickActive)
	if err != nil {
		return nil, r.refused("verify", ErrInvalidToken, err)
	}
	if !k.signed(t) {
		return nil, r.refused("verify", ErrInvalidToken, errSignature)
	}
	if t.expires != 0 && time.Now().Unix() >= t.expires {
		return nil, r.refused("verify", ErrInvalidToken, ErrExpired)
	}
	return t.payload, nil
}

// Stale reports whether the token names a version that has been replaced, so
// that another version would sign a new token. It does not verify the token. It
// returns false if the answer is unknown: for a malformed token, an unknown
// version, one that is only announced, and while the secret cannot be read.
func (s *Signer) Stale(token string) bool {
	r := s.made()
	if r == nil {
		return false
	}
	t, ok := parseToken(token)
	return ok && r.stale(t.id)
}

func (s *Signer) made() *ring {
	if s == nil {
		return nil
	}
	return s.ring.Load()
}
