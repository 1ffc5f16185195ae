package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

var _ = register("keyring", group{pairs: func(s *session) ([]pair, error) {
	r, err := openRings(s)
	if err != nil {
		return nil, err
	}
	var rows []pair
	for _, size := range []struct {
		name  string
		bytes int
	}{{"64B", 64}, {"1KiB", 1 << 10}, {"64KiB", 64 << 10}} {
		payload := []byte(strings.Repeat("p", size.bytes))
		rows = append(append(rows, r.signing(size.name, payload)...), r.sealing(size.name, payload)...)
	}
	return rows, nil
}})

// rings holds one key in every package that signs or seals.
type rings struct {
	key     []byte
	tokens  *keyring.Signer
	records *keyring.Sealer
	signed  *securecookie.SecureCookie
	secured *securecookie.SecureCookie // encrypts as well
	tink    tink.AEAD
	gcm     cipher.AEAD
}

var recordContext = []byte("customer 42")

func openRings(s *session) (*rings, error) {
	key := sha256.Sum256([]byte("a made-up key"))
	ring := secret.Random(secret.Options{Name: "ring"})
	text := "current=v3;v1=" + strings.Repeat("01", 32) + ";v2=" + strings.Repeat("02", 32) + ";v3=" +
		hex.EncodeToString(key[:])
	store := secret.NewMemory(map[string]string{ring.Binding(): text})
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(ring)
	if err := app.Start(s.ctx); err != nil {
		return nil, err
	}
	s.cleanup(func() { _ = app.Close() })
	r := rings{key: key[:], tokens: keyring.NewSigner(ring, "session cookie"),
		records: keyring.NewSealer(ring, "customer record")}

	// Their default encodes any Go value by gob. That comparison would not be fair.
	r.signed = securecookie.New(r.key, nil).SetSerializer(securecookie.NopEncoder{}).MaxLength(0)
	r.secured = securecookie.New(r.key, r.key).SetSerializer(securecookie.NopEncoder{}).MaxLength(0)

	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	if r.tink, err = aead.New(handle); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(r.key)
	if err != nil {
		return nil, err
	}
	r.gcm, err = cipher.NewGCMWithRandomNonce(block)
	return &r, err
}

// signing returns the rows of Sign and Verify. They are compared with what cannot
// be left out: HMAC-SHA256 over the same bytes.
func (r *rings) signing(size string, payload []byte) []pair {
	// each row checks for errors
	expires := time.Now().Add(24 * time.Hour)
	token, _ := r.tokens.Sign(payload, expires)
	cookie, _ := r.signed.Encode("session", payload)
	signed := []byte(token[:max(0, strings.LastIndexByte(token, '.'))])
	tag := sum(r.key, signed)
	const bare, cookies = "crypto/hmac", "gorilla/securecookie"
	sign := func(b *testing.B) {
		for b.Loop() {
			if _, err := r.tokens.Sign(payload, expires); err != nil {
				b.Fatal(err)
			}
		}
	}
	verify := func(b *testing.B) {
		for ctx := context.Background(); b.Loop(); {
			if _, err := r.tokens.Verify(ctx, token); err != nil {
				b.Fatal(err)
			}
		}
	}
	return []pair{
		{size + "/Sign", bare, sign, func(b *testing.B) {
			for b.Loop() {
				sum(r.key, signed)
			}
		}},
		{size + "/Sign/vs-securecookie", cookies, sign, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.signed.Encode("session", payload); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{size + "/Verify", bare, verify, func(b *testing.B) {
			for b.Loop() {
				if !hmac.Equal(sum(r.key, signed), tag) {
					b.Fatal("not equal")
				}
			}
		}},
		{size + "/Verify/vs-securecookie", cookies, verify, func(b *testing.B) {
			for b.Loop() {
				var payload []byte
				if err := r.signed.Decode("session", cookie, &payload); err != nil {
					b.Fatal(err)
				}
			}
		}},
	}
}

func sum(key, text []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	return mac.Sum(nil)
}

// sealing returns the rows of Seal and Open. They are compared with AES-256-GCM
// whose key is set up already.
func (r *rings) sealing(size string, record []byte) []pair {
	alone := r.gcm.Seal(nil, nil, record, recordContext)
	encrypted, _ := r.tink.Encrypt(record, recordContext)
	cookie, _ := r.secured.Encode("record", record)
	sealed, _ := r.records.Seal(record, recordContext)
	const gcm, tinks, cookies = "AES-256-GCM, ready", "tink AEAD, AES-256-GCM", "gorilla/securecookie, encrypting"
	seal := func(b *testing.B) {
		for b.Loop() {
			if _, err := r.records.Seal(record, recordContext); err != nil {
				b.Fatal(err)
			}
		}
	}
	open := func(b *testing.B) {
		for ctx := context.Background(); b.Loop(); {
			if _, err := r.records.Open(ctx, sealed, recordContext); err != nil {
				b.Fatal(err)
			}
		}
	}
	return []pair{
		{size + "/Seal", gcm, seal, func(b *testing.B) {
			for b.Loop() {
				r.gcm.Seal(nil, nil, record, recordContext)
			}
		}},
		{size + "/Seal/vs-tink", tinks, seal, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.tink.Encrypt(record, recordContext); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{size + "/Seal/vs-securecookie", cookies, seal, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.secured.Encode("record", record); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{size + "/Open", gcm, open, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.gcm.Open(nil, nil, alone, recordContext); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{size + "/Open/vs-tink", tinks, open, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.tink.Decrypt(encrypted, recordContext); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{size + "/Open/vs-securecookie", cookies, open, func(b *testing.B) {
			for b.Loop() {
				var plain []byte
				if err := r.secured.Decode("record", cookie, &plain); err != nil {
					b.Fatal(err)
				}
			}
		}},
	}
}
