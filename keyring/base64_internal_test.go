package keyring

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBodiesAreStandardBase64: encode and decode agree with package base64 at
// every length up to several blocks, and on every character at every place of a
// block and behind it.
func TestBodiesAreStandardBase64(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	for n := range 200 {
		src := make([]byte, n)
		_, _ = random.Read(src)
		agree(t, src, base64.RawURLEncoding.EncodeToString(src))
	}
	text := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte("any"), 12)) // two blocks, and 16 characters
	for place := range text {
		for c := range 256 {
			agree(t, nil, text[:place]+string([]byte{byte(c)})+text[place+1:])
		}
		agree(t, nil, text[:place])
		agree(t, nil, text[:place]+"\r\n"+text[place:])
	}
}

// FuzzBase64: encode and decode agree with package base64.
func FuzzBase64(f *testing.F) {
	f.Add([]byte("any text of more than one block, of twenty-four bytes"), strings.Repeat("-_09azAZ", 7)+"AA")
	f.Add([]byte{}, "AB")
	f.Fuzz(func(t *testing.T, src []byte, text string) { agree(t, src, text) })
}

func agree(t *testing.T, src []byte, text string) {
	t.Helper()
	around := make([]byte, base64url.EncodedLen(len(src))+1)
	encode(around[:len(around)-1], src)
	if string(around) != base64.RawURLEncoding.EncodeToString(src)+"\x00" {
		t.Fatalf("encode(%q) is %q", src, around)
	}
	want, err := base64.RawURLEncoding.Strict().DecodeString(text)
	acceptable := err == nil && !strings.ContainsAny(text, "\r\n")
	around = make([]byte, base64url.DecodedLen(len(text))+1)
	got, ok := decode(around[:len(around)-1:len(around)-1], text)
	if ok != acceptable || ok && !bytes.Equal(got, want) || around[len(around)-1] != 0 {
		t.Fatalf("decode(%q) is %q, %v; package base64: %q, %v", text, got, ok, want, err)
	}
	if back, ok := decode(make([]byte, len(src)), base64.RawURLEncoding.EncodeToString(src)); !ok || !bytes.Equal(back, src) {
		t.Fatalf("%q does not come back", src)
	}
}

// TestMemoryOfAMessageIsCleared: the memory that messages share contains nothing
// of the last message, its key or its code.
func TestMemoryOfAMessageIsCleared(t *testing.T) {
	k := newKey(bytes.Repeat([]byte{7}, keyLen))
	shared := k.mac()
	use := func(name string, call func()) {
		k.macs.New = func() any { return shared }
		call()
		require.Zero(t, shared.scratch, name)
		require.Zero(t, shared.sum, name)
	}
	for _, n := range []int{0, 1, 64, 1024, maxPayload} {
		payload := bytes.Repeat([]byte{'p'}, n)
		var text string
		use("sign", func() { text = k.newToken(strings.Repeat("v", maxID), 0, payload) })
		parsed, ok := parseToken(text)
		require.True(t, ok)
		require.Equal(t, payload, parsed.payload)
		use("verify", func() { require.True(t, k.signed(parsed)) })
		use("refuse", func() { parsed.tag = strings.Repeat("A", tagLen); require.False(t, k.signed(parsed)) })
		use("seal", func() { k.seal([]byte("header"), payload, payload) })
	}
}
