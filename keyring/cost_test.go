package keyring_test

import (
	"bytes"

	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// started returns a secret of one version under an App, as services have it.
func started(tb testing.TB) *secret.Secret {
	tb.Helper()
	s := secret.Random(secret.Options{Namespace: "auth", Name: "session-key"})
	app := secret.NewApp(secret.AppOptions{Refresh: -1,
		Store: secret.NewMemory(map[string]string{s.Binding(): "current=v1;v1=" + hexKey(1)})}).Use(s)
	require.NoError(tb, app.Start(ctx))
	tb.Cleanup(func() { _ = app.Close() })
	return s
}

var (
	payload64 = bytes.Repeat([]byte{'p'}, 64)
	record1K  = bytes.Repeat([]byte{'r'}, 1024)
)

func BenchmarkVerify(b *testing.B) {
	tokens := keyring.NewSigner(started(b), "session cookie")
	token, err := tokens.Sign(payload64, time.Now().Add(time.Hour))
	require.NoError(b, err)
	b.Run("keyring", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := tokens.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	signed := []byte(token[:strings.LastIndexByte(token, '.')])
	key := bytes.Repeat([]byte{1}, 32)
	tag := make([]byte, 32)
	b.Run("HMAC alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			mac := hmac.New(sha256.New, key)
			mac.Write(signed)
			hmac.Equal(mac.Sum(nil), tag)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	tokens := keyring.NewSigner(started(b), "session cookie")
	expires := time.Now().Add(time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Sign(payload64, expires); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	records := keyring.NewSealer(started(b), "record")
	sealed, err := records.Seal(record1K, []byte("customer 42"))
	require.NoError(b, err)
	block, err := aes.NewCipher(bytes.Repeat([]byte{1}, 32))
	require.NoError(b, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(b, err)
	alone := aead.Seal(nil, nil, record1K, nil)
	for _, c := range []struct {
		name string
		run  func() error
	}{
		{"Seal/keyring", func() error { _, err := records.Seal(record1K, []byte("customer 42")); return err }},
		{"Seal/AES-GCM alone", func() error { aead.Seal(nil, nil, record1K, nil); return nil }},
		{"Open/keyring", func() error { _, err := records.Open(b.Context(), sealed, []byte("customer 42")); return err }},
		{"Open/AES-GCM alone", func() error { _, err := aead.Open(nil, nil, alone, nil); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestSigningAllocatesLittle: a Verify allocates the payload and little else.
// Under the race detector pools lose things on purpose.
func TestSigningAllocatesLittle(t *testing.T) {
	s := started(t)
	tokens, records := keyring.NewSigner(s, "session cookie"), keyring.NewSealer(s, "record")
	token, err := tokens.Sign(payload64, time.Now().Add(time.Hour))
	require.NoError(t, err)
	sealed, err := records.Seal(record1K, []byte("customer 42"))
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		most float64
		call func() error
	}{
		{"Verify", 3, func() error { _, err := tokens.Verify(ctx, token); return err }},
		{"Sign", 5, func() error { _, err := tokens.Sign(payload64, time.Time{}); return err }},
		{"Seal", 5, func() error { _, err := records.Seal(record1K, nil); return err }},
		{"Open", 5, func() error { _, err := records.Open(ctx, sealed, []byte("customer 42")); return err }},
	} {
		fewest := 1000.0
		for range 20 {
			fewest = min(fewest, testing.AllocsPerRun(20, func() {
				if err := c.call(); err != nil {
					t.Fatal(err)
				}
			}))
		}
		require.LessOrEqual(t, fewest, c.most, c.name)
	}
}
