package main

import (
	"bytes"
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

var (
	sessionPayload = bytes.Repeat([]byte{'p'}, 64)
	record         = bytes.Repeat([]byte{'r'}, 1024)
	recordContext  = []byte("customer 42")
)

func (p *peers) openRings(ctx context.Context) error {
	key := sha256.Sum256([]byte("a made-up key"))
	s := secret.Random(secret.Options{Name: "ring"})
	text := "current=v3;v1=" + strings.Repeat("01", 32) + ";v2=" + strings.Repeat("02", 32) + ";v3=" +
		hex.EncodeToString(key[:])
	app := secret.NewApp(secret.AppOptions{Store: secret.NewMemory(map[string]string{s.Binding(): text})}).Use(s)
	if err := app.Start(ctx); err != nil {
		return err
	}
	p.closers = append(p.closers, app.Close)
	r := rings{key: key[:], tokens: keyring.NewSigner(s, "session cookie"),
		records: keyring.NewSealer(s, "customer record")}

	// Their default encodes any Go value by gob. That comparison would not be fair.
	r.signed = securecookie.New(r.key, nil).SetSerializer(securecookie.NopEncoder{})
	r.secured = securecookie.New(r.key, r.key).SetSerializer(securecookie.NopEncoder{})

	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	if r.tink, err = aead.New(handle); err != nil {
		return err
	}
	block, err := aes.NewCipher(r.key)
	if err != nil {
		return err
	}
	r.gcm, err = cipher.NewGCMWithRandomNonce(block)
	p.rings = r
	return err
}

// keyrings returns the benchmarks of package keyring and of comparable
// packages.
func (p *peers) keyrings() []table {
	r := p.rings
	return []table{
		{"Sign 64 bytes", r.sign()},
		{"Verify 64 bytes", r.verify()},
		{"Seal 1 KiB", r.seal()},
		{"Open 1 KiB", r.open()},
	}
}

func (r rings) sign() []benchmark {
	expires := time.Now().Add(time.Hour)
	return []benchmark{
		{name: "gorilla/securecookie Encode", base: true, run: func(b *testing.B) {
			for b.Loop() {
				if _, err := r.signed.Encode("session", sessionPayload); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{name: "**keyring** Sign", most: 1, run: func(b *testing.B) {
			for b.Loop() {
				if _, err := r.tokens.Sign(sessionPayload, expires); err != nil {
					b.Fatal(err)
				}
			}
		}},
	}
}

func (r rings) verify() []benchmark {
	// each row checks for errors
	token, _ := r.tokens.Sign(sessionPayload, time.Now().Add(24*time.Hour))
	cookie, _ := r.signed.Encode("session", sessionPayload)
	signed := []byte(token[:strings.LastIndexByte(token, '.')])
	mac := hmac.New(sha256.New, r.key)
	mac.Write(signed)
	tag := mac.Sum(nil)
	return []benchmark{
		{name: "crypto/hmac: New, Write, Sum, Equal", base: true, run: func(b *testing.B) {
			for b.Loop() {
				mac := hmac.New(sha256.New, r.key)
				mac.Write(signed)
				if !hmac.Equal(mac.Sum(nil), tag) {
					b.Fatal("not equal")
				}
			}
		}},
		{name: "gorilla/securecookie Decode", run: func(b *testing.B) {
			for b.Loop() {
				var payload []byte
				if err := r.signed.Decode("session", cookie, &payload); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{name: "**keyring** Verify", most: 1.5, run: func(b *testing.B) {
			ctx := b.Context()
			for b.Loop() {
				if _, err := r.tokens.Verify(ctx, token); err != nil {
					b.Fatal(err)
				}
			}
		}},
	}
}

func (r rings) seal() []benchmark {
	return []benchmark{
		{name: "crypto/cipher AES-256-GCM, ready", base: true, run: func(b *testing.B) {
			for b.Loop() {
				r.gcm.Seal(nil, nil, record, recordContext)
			}
		}},
		{name: "tink AEAD Encrypt, AES-256-GCM", run: func(b *testing.B) {
			for b.Loop() {
				if _, err := r.tink.Encrypt(record, recordContext); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{name: "gorilla/securecookie Encode, encrypting", run: func(b *testing.B) {
			for b.Loop() {
				if _, err := r.secured.Encode("record", record); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{name: "**keyring** Seal", most: 3.5, run: func(b *testing.B) {
			for b.Loop() {
				if _, err := r.records.Seal(record, recordContext); err != nil {
					b.Fatal(err)
				}
			}
		}},
	}
}

func (r rings) open() []benchmark {
	alone := r.gcm.Seal(nil, nil, record, recordContext)
	encrypted, _ := r.tink.Encrypt(record, recordContext)
	cookie, _ := r.secured.Encode("record", record)
	sealed, _ := r.records.Seal(record, recordContext)
	return []benchmark{
		{name: "crypto/cipher AES-256-GCM, ready", base: true, run: func(b *testing.B) {
			for b.Loop() {
				if _, err := r.gcm.Open(nil, nil, alone, recordContext); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{name: "tink AEAD Decrypt, AES-256-GCM", run: func(b *testing.B) {
			for b.Loop() {
				if _, err := r.tink.Decrypt(encrypted, recordContext); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{name: "gorilla/securecookie Decode, encrypting", run: func(b *testing.B) {
			for b.Loop() {
				var plain []byte
				if err := r.secured.Decode("record", cookie, &plain); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{name: "**keyring** Open", most: 3.5, run: func(b *testing.B) {
			ctx := b.Context()
			for b.Loop() {
				if _, err := r.records.Open(ctx, sealed, recordContext); err != nil {
					b.Fatal(err)
				}
			}
		}},
	}
}
