package keyring_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/keyring"
)

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func memory(name, text string) *secret.Memory {
	return secret.NewMemory(map[string]string{"$SECRET.default." + name: text})
}

func TestSealAndOpen(t *testing.T) {
	s := stored("current=v2;v1=" + hexKey(1) + ";v1_expires=2020-01-01T00:00:00Z;v2=" + hexKey(2))
	records := keyring.NewSealer(s, "customer record")
	for _, size := range []int{0, 1, 1024, 1 << 20} {
		plain := bytes.Repeat([]byte{'r'}, size)
		sealed, err := records.Seal(plain, []byte("customer 42"))
		require.NoError(t, err)
		salt := sealed[5:29]
		require.Equal(t, sealedOf(t, rawKey(2), "customer record", "v2", salt, []byte("customer 42"), plain), sealed)
		got, err := records.Open(ctx, sealed, []byte("customer 42"))
		require.NoError(t, err)
		require.Equal(t, plain, got)

		text, err := records.SealText(plain, []byte("customer 42"))
		require.NoError(t, err)
		require.NotEqual(t, encode(sealed), text, "the salt is drawn anew")
		got, err = records.OpenText(ctx, text, []byte("customer 42"))
		require.NoError(t, err)
		require.Equal(t, plain, got)
	}
	expired := sealedOf(t, rawKey(1), "customer record", "v1", make([]byte, 24), nil, []byte("old"))
	for _, context := range [][]byte{nil, {}} {
		got, err := records.Open(ctx, expired, context)
		require.NoError(t, err, "what an expired version sealed stays readable")
		require.Equal(t, "old", string(got))
	}
}

func TestSealedBitsAndCuts(t *testing.T) {
	records := keyring.NewSealer(stored("current=v1;v1="+hexKey(1)), "p")
	for size := range 4 { // the base64 form has every ending
		sealed, err := records.Seal(make([]byte, size), []byte("c"))
		require.NoError(t, err)
		for i := range sealed {
			for bit := range 8 {
				bent := bytes.Clone(sealed)
				bent[i] ^= 1 << bit
				_, err := records.Open(ctx, bent, []byte("c"))
				require.ErrorIs(t, err, keyring.ErrOpen, "bit %d of byte %d", bit, i)
			}
			_, err := records.Open(ctx, sealed[:i], []byte("c"))
			require.ErrorIs(t, err, keyring.ErrOpen, "cut at %d", i)
		}
		_, err = records.Open(ctx, append(bytes.Clone(sealed), 0), []byte("c"))
		require.ErrorIs(t, err, keyring.ErrOpen)

		text := encode(sealed)
		for i := range text {
			for bit := range 8 {
				bent := []byte(text)
				bent[i] ^= 1 << bit
				_, err := records.OpenText(ctx, string(bent), []byte("c"))
				require.ErrorIs(t, err, keyring.ErrOpen, "bit %d of character %d", bit, i)
			}
			_, err := records.OpenText(ctx, text[:i], []byte("c"))
			require.ErrorIs(t, err, keyring.ErrOpen, "cut at %d", i)
			for _, extra := range []string{"\n", "\r", "=", "A"} {
				_, err := records.OpenText(ctx, text[:i]+extra+text[i:], []byte("c"))
				require.ErrorIs(t, err, keyring.ErrOpen, "%q inserted at %d", extra, i)
			}
		}
		for _, extra := range []string{"\n", "=", "==", "A", "AAAA"} {
			_, err := records.OpenText(ctx, text+extra, []byte("c"))
			require.ErrorIs(t, err, keyring.ErrOpen, extra)
		}
	}
}

func TestSealedSwapped(t *testing.T) {
	s := stored("current=v2;v1=" + hexKey(1) + ";v2=" + hexKey(2))
	records := keyring.NewSealer(s, "customer record")
	salt := make([]byte, 24)
	for name, sealed := range map[string][]byte{
		"another purpose": sealedOf(t, rawKey(2), "invoice", "v2", salt, []byte("c"), nil),
		"another context": sealedOf(t, rawKey(2), "customer record", "v2", salt, []byte("d"), nil),
		"no context":      sealedOf(t, rawKey(2), "customer record", "v2", salt, nil, nil),
		"another version": sealedOf(t, rawKey(2), "customer record", "v1", salt, []byte("c"), nil),
		"another key":     sealedOf(t, rawKey(3), "customer record", "v2", salt, []byte("c"), nil),
		"unknown version": sealedOf(t, rawKey(2), "customer record", "v3", salt, []byte("c"), nil),
		"no id":           sealedOf(t, rawKey(2), "customer record", "", salt, []byte("c"), nil),
		"id of 65":        sealedOf(t, rawKey(2), "customer record", strings.Repeat("v", 65), salt, []byte("c"), nil),
		"a dot":           sealedOf(t, rawKey(2), "customer record", "v.2", salt, []byte("c"), nil),
		"nothing":         nil,
	} {
		_, err := records.Open(ctx, sealed, []byte("c"))
		require.ErrorIs(t, err, keyring.ErrOpen, name)
	}
	// The salt's end cannot become the context's beginning, nor the other way
	// round.
	sealed := sealedOf(t, rawKey(2), "customer record", "v2", salt, []byte("\x00c"), nil)
	_, err := records.Open(ctx, sealed, []byte("c"))
	require.ErrorIs(t, err, keyring.ErrOpen)
}

func TestWhatCannotBeSealed(t *testing.T) {
	records := keyring.NewSealer(stored("current=v1;v1="+hexKey(1)), "p")
	_, err := records.Seal(make([]byte, 64<<20+1), nil)
	require.ErrorIs(t, err, secret.ErrTooLarge)
	_, err = keyring.NewSealer(stored("current=v1;v1="+hexKey(1)), "").Seal(nil, nil)
	require.ErrorIs(t, err, secret.ErrInvalid)
	_, err = keyring.NewSealer(secret.Random(secret.Options{Name: "k"}).With(secret.NewMemory(nil)), "p").SealText(nil,
		nil)
	require.ErrorIs(t, err, secret.ErrNotFound)
	sealed, err := keyring.NewSealer(stored("current=v1;v1="+hexKey(1)+";v1_expires=2020-01-01T00:00:00Z"), "p").Seal(nil,
		nil)
	require.NoError(t, err, "an expired current version still seals, since everybody opens it")
	_, err = records.Open(ctx, sealed, nil)
	require.NoError(t, err)
}

func TestLargestSealed(t *testing.T) {
	slow.Test(t) // it takes 256 MB
	records := keyring.NewSealer(stored("current=v1;v1="+hexKey(1)), "p")
	sealed, err := records.Seal(make([]byte, 64<<20), nil)
	require.NoError(t, err)
	plain, err := records.Open(ctx, sealed, nil)
	require.NoError(t, err)
	require.Len(t, plain, 64<<20)
	_, err = records.Open(ctx, append(sealed, 0), nil)
	require.ErrorIs(t, err, keyring.ErrOpen)
}
