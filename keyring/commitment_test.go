package keyring_test

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/keyring"
)

// block is an element of GCM's field: bit 0 of byte 0 from the left is the
// coefficient of x^0.
type block struct{ hi, lo uint64 }

func blockOf(b []byte) block {
	return block{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (a block) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, a.hi), a.lo)
}

func (a block) add(b block) block { return block{a.hi ^ b.hi, a.lo ^ b.lo} }

func (a block) times(b block) (product block) {
	for i := range 128 {
		bit := b.hi >> (63 - i%64)
		if i >= 64 {
			bit = b.lo >> (127 - i)
		}
		if bit&1 == 1 {
			product = product.add(a)
		}
		out := a.lo & 1
		a = block{a.hi >> 1, a.lo>>1 | a.hi<<63}
		a.hi ^= out * (0xe1 << 56)
	}
	return product
}

// inverse is a to the power of 2^128-2.
func (a block) inverse() block {
	result := block{hi: 1 << 63}
	for range 127 {
		a = a.times(a)
		result = result.times(a)
	}
	return result
}

// collide returns one ciphertext with its tag that AES-256-GCM with a nonce of
// zeros opens under both keys: the tag of one block c under a key is (c·H +
// length)·H + mask, and both are equal for the c that is computed here.
func collide(t *testing.T, key1, key2 []byte) []byte {
	t.Helper()
	length := block{lo: 128}
	parts := func(key []byte) (h, mask block) {
		cipher, err := aes.NewCipher(key)
		require.NoError(t, err)
		out := make([]byte, 16)
		cipher.Encrypt(out, make([]byte, 16))
		h = blockOf(out)
		counter := make([]byte, 16)
		counter[15] = 1
		cipher.Encrypt(out, counter)
		return h, blockOf(out)
	}
	h1, mask1 := parts(key1)
	h2, mask2 := parts(key2)
	squares := h1.times(h1).add(h2.times(h2))
	c := length.times(h1.add(h2)).add(mask1).add(mask2).times(squares.inverse())
	tag := c.times(h1).add(length).times(h1).add(mask1)
	return append(c.bytes(), tag.bytes()...)
}

// TestTextOpensUnderOneKeyAlone: an owner of two keys can write a text that
// AES-GCM opens under both. A Sealer opens it under the one that it commits to.
func TestTextOpensUnderOneKeyAlone(t *testing.T) {
	salt := bytes.Repeat([]byte{7}, 24)
	header, key1, commitment1 := messageKeys(rawKey(1), "p", "v1", salt, nil)
	_, key2, commitment2 := messageKeys(rawKey(2), "p", "v1", salt, nil)
	ciphertext := collide(t, key1, key2)
	for _, key := range [][]byte{key1, key2} {
		_, err := gcmOf(t, key).Open(nil, make([]byte, 12), ciphertext, nil)
		require.NoError(t, err, "no collision")
	}
	first := keyring.NewSealer(stored("current=v1;v1="+hexKey(1)), "p")
	second := keyring.NewSealer(stored("current=v1;v1="+hexKey(2)), "p")
	for _, c := range []struct {
		commitment      []byte
		opens, mayNever *keyring.Sealer
	}{{commitment1, first, second}, {commitment2, second, first}} {
		sealed := bytes.Join([][]byte{header, c.commitment, ciphertext}, nil)
		_, err := c.opens.Open(ctx, sealed, nil)
		require.NoError(t, err)
		_, err = c.mayNever.Open(ctx, sealed, nil)
		require.ErrorIs(t, err, keyring.ErrOpen)
	}
}
