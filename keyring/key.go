package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// key makes codes under one derived key. Initializing HMAC takes longer than
// hashing a short message, so goroutines share initialized states through a
// pool.
type key struct{ macs sync.Pool }

func newKey(derived []byte) *key {
	k := new(key)
	k.macs.New = func() any {
		m := &mac{hash: hmac.New(sha256.New, derived)}
		m.hash.Reset() // returns to the state after the key
		return m
	}
	return k
}

func (k *key) mac() *mac { return k.macs.Get().(*mac) }

// giveBack returns m to the pool. It keeps nothing of a message.
func (k *key) giveBack(m *mac) {
	clear(m.scratch[:])
	clear(m.sum[:])
	k.macs.Put(m)
}

// mac is HMAC-SHA256 with the memory that would otherwise be allocated for each
// message: a slice that is passed to a hash.Hash cannot be on the stack.
type mac struct {
	_       [0]func() // it is never compared: a Worker need not hold the code for ==
	hash    hash.Hash
	scratch [1024]byte
	sum     [sha256.Size]byte
}

// of returns the code of a text. The result is valid until m is used again.
func (m *mac) of(text []byte) []byte {
	m.hash.Reset()
	m.hash.Write(text)
	return m.hash.Sum(m.sum[:0])
}

// tag returns the code of a text as a token writes it. The result is valid until
// m is used again.
func (m *mac) tag() []byte {
	return base64url.AppendEncode(m.scratch[:0], m.hash.Sum(m.sum[:0]))
}
