package keyring

import (
	"context"
	"crypto/rand"
	"strconv"
	"sync/atomic"

	"github.com/layeron-hq/secret"
)

// Sealer encrypts texts and opens its own. Make one with [NewSealer], for each
// purpose. It is safe for concurrent use. Under any verb of fmt, in JSON or in
// a log it shows its secret's address and its purpose, never a key. All calls
// on the zero Sealer fail with [secret.ErrInvalid].
//
// It panics under GODEBUG=fips140=only. A Sealer derives a new key for each
// text and chooses the nonce itself, and that mode does not allow a chosen
// nonce of AES-GCM.
type Sealer struct {
	ring atomic.Pointer[ring] // set once; hidden from reflection
}

// NewSealer returns a Sealer under the versions of s. The purpose is any text
// that names the kind of data, such as "customer record". Each purpose has its
// own keys, and a text sealed for one does not open for another. The address of
// s is not part of the keys. Every call reports an empty purpose or a wrong
// declaration as [secret.ErrInvalid].
func NewSealer(s *secret.Secret, purpose string) *Sealer {
	sealer := new(Sealer)
	sealer.ring.Store(newRing(s, "seal", purpose))
	return sealer
}

// Seal encrypts plaintext, of at most 64 MiB, under the current version.
// Sealing the same plaintext twice gives different texts.
//
// The context names the owner of the text, such as "customer 42". It is not
// stored, and Open needs the same context: a text that an attacker moves to
// another customer does not open there. Nil and empty are the same context.
//
// Errors wrap [secret.ErrTooLarge]; [secret.ErrInvalid] for a key that is too
// short and for an id that a sealed text cannot contain; or an error of
// [secret.Secret.Load]. Without an App each call asks the store and waits up to
// 10 seconds.
func (s *Sealer) Seal(plaintext, context []byte) ([]byte, error) {
	return s.seal(new(lazyTimeout), plaintext, context)
}

// seal is Seal with a context for the load of the key.
func (s *Sealer) seal(ctx context.Context, plaintext, context []byte) ([]byte, error) {
	r := s.made()
	if r == nil {
		return nil, unmade("Sealer")
	}
	sealed, err := r.seal(ctx, plaintext, context)
	if err != nil {
		return nil, r.failed("seal", err)
	}
	return sealed, nil
}

func (r *ring) seal(ctx context.Context, plaintext, context []byte) ([]byte, error) {
	if len(plaintext) > maxPlaintext {
		return nil, because(secret.ErrTooLarge, "the text has "+strconv.Itoa(len(plaintext))+
			" bytes, a sealed one takes up to 67108864; use age for larger ones")
	}
	v, k, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	header := make([]byte, 0, len(sealedMagic)+1+len(v.ID)+saltLen+commitLen+len(plaintext)+gcmTagLen)
	header = append(append(append(header, sealedMagic...), byte(len(v.ID))), v.ID...)
	header = header[:len(header)+saltLen]
	rand.Read(header[len(header)-saltLen:])
	return k.seal(header, plaintext, context), nil
}

// Open returns the plaintext given to Seal. It accepts every version that the
// store still holds, expired or not, because sealed texts must stay readable. A
// text of another purpose or context, or one that was changed, is refused with
// [ErrOpen].
//
// A text may name a version that is newer than this machine's copy of the
// secret. Open then asks the store, at most once in ten seconds, and waits for
// the answer, no longer than ctx. Under an App only the calls for a version
// that this machine does not have wait for the store. The slice belongs to the
// caller.
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

// SealText is [Sealer.Seal] with the result in unpadded base64url, for a column
// of text, a header or a URL.
func (s *Sealer) SealText(plaintext, context []byte) (string, error) {
	sealed, err := s.Seal(plaintext, context)
	if err != nil {
		return "", err
	}
	return base64url.EncodeToString(sealed), nil
}

// OpenText is [Sealer.Open] for a text that SealText returned.
func (s *Sealer) OpenText(ctx context.Context, text string, context []byte) (plaintext []byte, err error) {
	sealed, _ := decodeSealed(text)
	return s.Open(ctx, sealed, context) // Open refuses malformed bytes
}

// Stale reports whether the text names a version that has been replaced. Such a
// text should be sealed again under the current version; then it no longer
// needs the old one. Stale does not open the text. It returns false if the
// answer is unknown: for a malformed text, an unknown version, one that is only
// announced, and while the secret cannot be read.
func (s *Sealer) Stale(sealed []byte) bool {
	r := s.made()
	if r == nil {
		return false
	}
	text, ok := parseSealed(sealed)
	return ok && r.stale(text.id)
}

// StaleText is [Sealer.Stale] for a text that SealText returned.
func (s *Sealer) StaleText(text string) bool {
	sealed, ok := decodeSealed(text)
	return ok && s.Stale(sealed)
}

// decodeSealed returns no bytes for a text that is not base64url.
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
