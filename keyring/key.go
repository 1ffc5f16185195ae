package keyring

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// key makes codes under one derived key. Setting HMAC up takes longer than a short message does, so goroutines take turns with
// what is set up already.
type key struct{ macs sync.Pool }

func newKey(derived []byte) *key {
	k := new(key)
	k.macs.New = func() any {
		m := &mac{hash: hmac.New(sha256.New, derived)}
		m.hash.Reset() // keeps the state after the key
		return m
	}
	return k
}

func (k *key) mac() *mac { return k.macs.Get().(*mac) }

// giveBack ends the use of m. Nothing of a message stays in it.
func (k *key) giveBack(m *mac) {
	clear(m.text[:cap(m.text)])
	if cap(m.text) > 4096 {
		m.text = nil
	}
	k.macs.Put(m)
}

// mac is HMAC-SHA256 with room to work in, which would be allocated for each message otherwise.
type mac struct {
	hash hash.Hash
	text []byte
	sum  [sha256.Size]byte
}

// of returns the code of m.text, until m is used again.
func (m *mac) of() []byte {
	m.hash.Reset()
	m.hash.Write(m.text)
	return m.hash.Sum(m.sum[:0])
}
