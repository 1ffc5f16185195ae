package keyring

import (
	"context"
	"crypto/rand"
	"strconv"
	"sync/atomic"

	"github.com/layeron-hq/secret"
)

// Sealer encrypts texts and opens its own. Make one with [NewSealer], for each purpose; it is safe for concurrent use, and
// shows its secret's address and its purpose under any verb of fmt, in JSON or in a log, never a key. All calls on the zero
// Sealer fail with [secret.ErrInvalid].
//
// It panics under GODEBUG=fips140=only, which forbids to choose the nonce of AES-GCM: a Sealer has a new key for each text
// instead of a new nonce.
type Sealer struct {
	ring atomic.Pointer[ring] // set once; out of reflection's sight
}

// NewSealer returns a Sealer under the versions of s. The purpose is any text that says what is sealed, such as
// "customer record": each purpose has keys of its own, and nothing sealed for one opens for another. The
// address of s is no part of the keys. An empty purpose and a wrong declaration
// are reported by every call, as [secret.ErrInvalid].
func NewSealer(s *secret.Secret, purpose string) *Sealer {
	sealer := new(Sealer)
	sealer.ring.Store(newRing(s, "seal", purpose))
	return sealer
}

// Seal encrypts plaintext, of at most 64 MiB, under the current version. Sealing the same twice gives different texts.
//
// The context says what the text belongs to, such as "customer 42". It is not stored, and Open must be given the same: so a
// text that somebody moves to another customer does not open there. Nil and empty are one.
//
// Errors wrap [secret.ErrTooLarge]; [secret.ErrInvalid] for a key that is too short and for an id that cannot stand in a
// sealed text; or what [secret.Secret.Load] says. Without an App the store is asked each time, and given 10 seconds.
func (s *Sealer) Seal(plaintext, context []byte) ([]byte, error) {
	r := s.made()
	if r == nil {
		return nil, unmade("Sealer")
	}
	sealed, err := r.seal(plaintext, context)
	if err != nil {
		return nil, r.failed("seal", err)
	}
	return sealed, nil
}

func (r *ring) seal(plaintext, context []byte) ([]byte, error) {
	if len(plaintext) > maxPlaintext {
		return nil, because(secret.ErrTooLarge, "the text has "+strconv.Itoa(len(plaintext))+
			" bytes, a sealed one takes up to 67108864; use age for larger ones")
	}
	v, k, err := r.current()
	if err != nil {
		return nil, err
	}
	header := make([]byte, 0, len(sealedMagic)+1+len(v.ID)+saltLen+commitLen+len(plaintext)+gcmTagLen)
	header = append(append(append(header, sealedMagic...), byte(len(v.ID))), v.ID...)
	header = header[:len(header)+saltLen]
	rand.Read(header[len(header)-saltLen:])
	return k.seal(header, plaintext, context), nil
}

// Open returns what Seal was given. It takes every version that the store still holds, expired or not: what was sealed
// must stay readable. A text that is not one of this purpose and context, or was changed, is refused with [ErrOpen].
//
// A text may name a version that is newer than this machine's copy of the
// secret. Then the store is asked, but not more often than every ten seconds,
// and the call waits for the answer, no longer than ctx. Otherwise no call waits
// under an App. The slice is the caller's.
func (s *Sealer) Open(ctx context.Context, sealed, context []byte) (plaintext []byte, err error) {
	r := s.made()
	if r == nil {
		return nil, unmade("Sealer")
	}
	if err := r.usable(); err != nil {
		return nil, r.failed("open", err)
	}
	text, ok := parseSealed(sealed)
	if !ok {
		return nil, r.refused("open", ErrOpen, errSealedForm)
	}
	k, err := r.find(ctx, text.id, pickAny)
	if err != nil {
		return nil, r.refused("open", ErrOpen, err)
	}
	plaintext, err = k.open(text, context)
	if err != nil {
		return nil, r.refused("open", ErrOpen, err)
	}
	return plaintext, nil
}

// SealText is [Sealer.Seal] with the result in unpadded base64url, for a column of text, a header or a URL.
func (s *Sealer) SealText(plaintext, context []byte) (string, error) {
	sealed, err := s.Seal(plaintext, context)
	if err != nil {
		return "", err
	}
	return base64url.EncodeToString(sealed), nil
}

// OpenText is [Sealer.Open] for what SealText returned.
func (s *Sealer) OpenText(ctx context.Context, text string, context []byte) (plaintext []byte, err error) {
	sealed, _ := decodeSealed(text)
	return s.Open(ctx, sealed, context) // which refuses what is none
}

// Stale tells whether the text names a version that has been replaced: time to seal it again under the current one, after
// which the old version is not needed for it. It does not open. It is false where that is not known: for a malformed text,
// an unknown version, one that is only announced, and while the secret cannot be read.
func (s *Sealer) Stale(sealed []byte) bool {
	r := s.made()
	if r == nil {
		return false
	}
	text, ok := parseSealed(sealed)
	return ok && r.stale(text.id)
}

// StaleText is [Sealer.Stale] for what SealText returned.
func (s *Sealer) StaleText(text string) bool {
	sealed, ok := decodeSealed(text)
	return ok && s.Stale(sealed)
}

// decodeSealed returns no bytes for what is not in base64url.
func decodeSealed(text string) ([]byte, bool) {
	if len(text) > base64url.EncodedLen(maxSealed) {
		return nil, false
	}
	sealed, ok := decode(make([]byte, base64url.DecodedLen(len(text))), text)
	if !ok {
		return nil, false
	}
	return sealed, true
}

func (s *Sealer) made() *ring {
	if s == nil {
		return nil
	}
	return s.ring.Load()
}
