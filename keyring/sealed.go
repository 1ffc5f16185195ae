package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
)

const (
	sealedMagic = "\x53\x01"
	saltLen     = 24
	commitLen   = 32
	gcmTagLen   = 16

	maxPlaintext = 64 << 20
	maxSealed    = len(sealedMagic) + 1 + maxID + saltLen + commitLen + maxPlaintext + gcmTagLen
)

// sealed is a parsed sealed text.
type sealed struct {
	id         string
	header     []byte // up to the salt, included
	commitment []byte
	ciphertext []byte
}

func parseSealed(text []byte) (s sealed, ok bool) {
	const fixed = len(sealedMagic) + 1
	if len(text) < fixed || len(text) > maxSealed || string(text[:len(sealedMagic)]) != sealedMagic {
		return sealed{}, false
	}
	idEnd := fixed + int(text[fixed-1])
	headerEnd := idEnd + saltLen
	commitEnd := headerEnd + commitLen
	if len(text) < commitEnd+gcmTagLen || len(text) > commitEnd+maxPlaintext+gcmTagLen ||
		!validID(string(text[fixed:idEnd])) {
		return sealed{}, false
	}
	return sealed{string(text[fixed:idEnd]), text[:headerEnd], text[headerEnd:commitEnd], text[commitEnd:]}, true
}

// forMessage returns the cipher for one message, and its commitment. Under any
// other key the commitment differs, so a text opens under one key only; AES-GCM
// alone does not ensure that. HKDF-Expand is written out here to reuse the
// initialized HMAC; 64 bytes take exactly two blocks.
func (k *key) forMessage(header, context []byte) (aead cipher.AEAD, commitment [commitLen]byte) {
	m := k.mac()
	defer k.giveBack(m)
	var messageKey [32]byte
	copy(messageKey[:], m.of(append(append(append(m.scratch[:0], header...), context...), 1)))
	copy(commitment[:], m.of(append(append(append(append(m.scratch[:0], messageKey[:]...), header...), context...), 2)))

	block, err := aes.NewCipher(messageKey[:])
	if err == nil {
		aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		panic("keyring: a Sealer cannot work under GODEBUG=fips140=only: " + err.Error())
	}
	return aead, commitment
}

// nonce is constant, since no key is used for two messages.
var nonce [12]byte

func (k *key) seal(header, plaintext, context []byte) []byte {
	aead, commitment := k.forMessage(header, context)
	return aead.Seal(append(header, commitment[:]...), nonce[:], plaintext, nil)
}

func (k *key) open(s sealed, context []byte) ([]byte, error) {
	aead, commitment := k.forMessage(s.header, context)
	if subtle.ConstantTimeCompare(commitment[:], s.commitment) != 1 {
		return nil, errKeyOrContext
	}
	plain, err := aead.Open(make([]byte, 0, len(s.ciphertext)-gcmTagLen), nonce[:], s.ciphertext, nil)
	if err != nil {
		return nil, errChanged // the cipher's own error would say less
	}
	return plain, nil
}
