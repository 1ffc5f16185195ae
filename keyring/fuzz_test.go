package keyring_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/layeron-hq/secret/keyring"
)

// FuzzVerify: every accepted token is, character for character, the token that
// the format defines.
func FuzzVerify(f *testing.F) {
	tokens := keyring.NewSigner(stored("current=v1;v1="+hexKey(1)), "p")
	good := tokenOf(rawKey(1), "p", "v1", 0, "ann")
	for _, seed := range []string{good, good + "\n", good[:len(good)-1], tokenOf(rawKey(1), "p", "v1", 1<<62, ""),
		"s1.v1..", ""} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, token string, sign bool) {
		if sign { // a tag that is right takes the fuzzer behind it
			if i := strings.LastIndexByte(token, '.'); i >= 0 {
				token = token[:i]
			}
			token += "." + encode(hmacOf(derived(rawKey(1), "sign", "p"), []byte(token)))
		}
		payload, err := tokens.Verify(ctx, token)
		if err != nil {
			return
		}
		body, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[2])
		if err != nil || len(body) < 8 {
			t.Fatal("a body was accepted that cannot be decoded")
		}
		expires := binary.BigEndian.Uint64(body)
		if again := tokenOf(rawKey(1), "p", "v1", expires, string(payload)); again != token {
			t.Fatalf("accepted %q, which is written %q", token, again)
		}
		if expires != 0 && expires <= uint64(time.Now().Unix()) {
			t.Fatal("accepted after its time")
		}
	})
}

// FuzzOpen: every text that opens is, byte for byte, the text that the format
// defines.
func FuzzOpen(f *testing.F) {
	records := keyring.NewSealer(stored("current=v1;v1="+hexKey(1)), "p")
	good := sealedOf(f, rawKey(1), "p", "v1", make([]byte, 24), []byte("c"), []byte("ann"))
	for _, seed := range [][]byte{good, good[:len(good)-1], append(bytes.Clone(good), 0), {0x53, 1, 255}, {}} {
		f.Add(seed, []byte("c"))
		f.Add([]byte(encode(seed)), []byte("c"))
	}
	f.Fuzz(func(t *testing.T, sealed, context []byte) {
		check := func(sealed, plain []byte, err error) {
			if err != nil {
				return
			}
			if again := sealedOf(t, rawKey(1), "p", "v1", sealed[5:29], context, plain); !bytes.Equal(again, sealed) {
				t.Fatal("opened, but is written otherwise")
			}
		}
		plain, err := records.Open(ctx, sealed, context)
		check(sealed, plain, err)
		records.Stale(sealed)
		records.StaleText(string(sealed))
		text := string(sealed)
		plain, err = records.OpenText(ctx, text, context)
		if err == nil {
			decoded, _ := base64.RawURLEncoding.DecodeString(text)
			if encode(decoded) != text {
				t.Fatal("another spelling was opened")
			}
			check(decoded, plain, err)
		}
	})
}

// FuzzSeal: all sealed or signed data comes back, and only from its own text.
func FuzzSeal(f *testing.F) {
	s := stored("current=v1;v1=" + hexKey(1))
	f.Add([]byte("text"), []byte("context"), "purpose")
	f.Fuzz(func(t *testing.T, text, context []byte, purpose string) {
		if purpose == "" {
			return
		}
		records, tokens := keyring.NewSealer(s, purpose), keyring.NewSigner(s, purpose)
		sealed, err := records.Seal(text, context)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := records.Open(ctx, sealed, context); err != nil || !bytes.Equal(plain, text) {
			t.Fatal("does not come back", err)
		}
		if _, err := records.Open(ctx, sealed, append(context[:len(context):len(context)], 0)); err == nil {
			t.Fatal("opens in another context")
		}
		if len(text) > 64<<10 {
			return
		}
		token, err := tokens.Sign(text, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if payload, err := tokens.Verify(ctx, token); err != nil || !bytes.Equal(payload, text) {
			t.Fatal("does not come back", err)
		}
		if _, err := keyring.NewSigner(s, purpose+"\x00").Verify(ctx, token); err == nil {
			t.Fatal("passes for another purpose")
		}
	})
}
