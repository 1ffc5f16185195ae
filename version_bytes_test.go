package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// keyOf reads text as a key of n bytes.
func keyOf(n int, encoding secret.Encoding, text string) ([]byte, error) {
	s := secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: n, Encoding: encoding,
		Store: oneSecret(text)})
	return s.Current().Bytes()
}

// material returns n bytes that bring out all of base64's alphabet, + and /
// included.
func material(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(251 - 7*i)
	}
	return b
}

func requireKey(t *testing.T, want, got []byte, err error) {
	t.Helper()
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "another key of %d bytes instead of %d", len(got), len(want))
}

// wrapped breaks text into lines of 64 characters, as openssl and PEM tools do.
func wrapped(text, newline string) string {
	var b strings.Builder
	for ; len(text) > 64; text = text[64:] {
		b.WriteString(text[:64] + newline)
	}
	return b.String() + text + newline
}

func TestKeyEncodings(t *testing.T) {
	for _, n := range []int{16, 17, 18, 20, 24, 31, 32, 33, 47, 48, 63, 64, 65, 127, 128, 256, 511, 512, 1000, 1022, 1023,
		1024} {
		key := material(n)
		for name, text := range map[string]string{
			"hex":             hex.EncodeToString(key),
			"HEX":             strings.ToUpper(hex.EncodeToString(key)),
			"base64":          base64.StdEncoding.EncodeToString(key),
			"base64 unpadded": base64.RawStdEncoding.EncodeToString(key),
			"base64url":       base64.URLEncoding.EncodeToString(key),
			"base64url bare":  base64.RawURLEncoding.EncodeToString(key),
		} {
			for around, spaced := range map[string]string{
				"":                     text,
				", newline at the end": text + "\n",
				", CRLF at the end":    text + "\r\n",
				", white space around": " \t\v\f" + text + "\r\n ",
				", wrapped":            wrapped(text, "\n"),
				", wrapped by CRLF":    wrapped(text, "\r\n"),
				", in pairs":           text[:2] + " " + text[2:4] + "\t" + text[4:],
			} {
				t.Run(fmt.Sprintf("%d %s%s", n, name, around), func(t *testing.T) {
					got, err := keyOf(n, secret.EncodingAuto, spaced)
					requireKey(t, key, got, err)
				})
			}
		}
	}
}

func TestKeyMixedCaseHex(t *testing.T) {
	got, err := keyOf(16, secret.EncodingAuto, "aAbBcCdDeEfF00112233445566778899")
	want, _ := hex.DecodeString("aabbccddeeff00112233445566778899")
	requireKey(t, want, got, err)
}

// Both alphabets are the same where + - / _ do not occur.
func TestKeyOfEveryAlphabet(t *testing.T) {
	// Its 43 characters alone would be digits of hex: see TestKeyRefuses.
	got, err := keyOf(32, secret.EncodingAuto, strings.Repeat("A", 43)+"=")
	requireKey(t, make([]byte, 32), got, err)
	full := bytes.Repeat([]byte{0xff}, 32)
	for _, text := range []string{strings.Repeat("/", 42) + "8", strings.Repeat("_", 42) + "8",
		strings.Repeat("/", 42) + "8=", strings.Repeat("_", 42) + "8="} {
		got, err := keyOf(32, secret.EncodingAuto, text)
		requireKey(t, full, got, err)
	}
}

func TestKeyRefuses(t *testing.T) {
	key := material(32)
	std, rawStd := base64.StdEncoding.EncodeToString(key), base64.RawStdEncoding.EncodeToString(key)
	urlText := base64.RawURLEncoding.EncodeToString(key)
	require.Contains(t, rawStd[:42], "+")
	require.Contains(t, urlText[:42], "_")
	hexText := hex.EncodeToString(key)
	sixteen := material(16) // two characters of padding
	for _, tc := range []struct {
		name     string
		n        int
		text     string
		mentions []string
	}{
		{"one character more", 32, rawStd + "A" + "A", []string{"45 characters", "32 bytes"}},
		{"one character less", 32, rawStd[:42], []string{"42 characters", "64 hex digits", "43 (padded 44)"}},
		{"one digit less", 32, hexText[:63], []string{"63 characters", "64 hex digits"}},
		{"one digit more", 32, hexText + "0", []string{"65 characters", "64 hex digits"}},
		{"half the digits", 32, hexText[:32], []string{"32 characters", "64 hex digits"}},
		{"twice the digits", 32, hexText + hexText, []string{"128 characters", "64 hex digits"}},
		{"32 raw characters", 32, "correct horse battery staple 123"[:32], []string{"64 hex digits"}},
		{"63 digits and a letter", 32, hexText[:63] + "g", []string{"32 bytes in hex", "other characters"}},
		{"base64 with the length of hex", 16, strings.Repeat("Zz", 16), []string{"16 bytes in hex", "other characters"}},
		{"hex with the length of base64", 32, hexText[:43], []string{"hex of 43 digits", "32 bytes"}},
		{"hex with the length of padded base64", 32, hexText[:44], []string{"hex of 44 digits", "32 bytes"}},
		{"HEX with the length of padded base64", 32, strings.ToUpper(hexText[:44]), []string{"hex of 44 digits"}},
		{"22 digits", 16, hexText[:22], []string{"hex of 22 digits", "16 bytes"}},
		{"24 digits for 18 bytes", 18, hexText[:24], []string{"hex of 24 digits", "18 bytes"}},
		{"hex with 0x", 32, "0x" + hexText, []string{"66 characters"}},
		{"mixed alphabets", 32, strings.Replace(rawStd, "+", "-", 1)[:41] + "/A", []string{"mixed alphabets"}},
		{"mixed alphabets, padded", 32, "-+" + std[2:], []string{"mixed alphabets"}},
		{"trailing bits", 32, rawStd[:42] + "B", []string{"bits set after its end"}},
		{"trailing bits, padded", 32, rawStd[:42] + "B=", []string{"bits set after its end"}},
		{"trailing bits, two padded", 16, base64.RawStdEncoding.EncodeToString(sixteen)[:21] + "B==",
			[]string{"bits set after its end"}},
		{"half the padding", 16, base64.RawStdEncoding.EncodeToString(sixteen) + "=",
			[]string{"23 characters", "22 (padded 24)"}},
		{"three paddings", 16, base64.RawStdEncoding.EncodeToString(sixteen)[:21] + "===", []string{"padding"}},
		{"too much padding", 32, rawStd[:42] + "==", []string{"padding"}},
		{"padding in place of a character", 32, rawStd[:42] + "=", []string{"padding"}},
		{"padding where none belongs", 18, base64.StdEncoding.EncodeToString(material(18))[:23] + "=", []string{"padding"}},
		{"padding in the middle", 32, rawStd[:20] + "=" + rawStd[21:], []string{"not base64"}},
		{"padding first", 32, "=" + rawStd, []string{"padding"}},
		{"only padding", 32, strings.Repeat("=", 44), []string{"padding"}},
		{"another character", 32, rawStd[:20] + "!" + rawStd[21:], []string{"not base64"}},
		{"a comma", 32, rawStd[:20] + "," + rawStd[21:], []string{"not base64"}},
		{"a NUL", 32, rawStd[:20] + "\x00" + rawStd[21:], []string{"not base64"}},
		{"white space that is not ASCII", 32, rawStd[:41] + "\u00a0", []string{"not base64"}},
		{"a byte order mark", 32, "\ufeff" + rawStd, []string{"46 characters"}},
		{"one character", 32, "x", []string{"1 characters"}},
		{"hex of 16 for 1024", 1024, hexText[:32], []string{"32 characters", "2048 hex digits", "1366 (padded 1368)"}},
		{"no padding to mention", 48, "abc", []string{"48 bytes", "96 hex digits or 64 base64"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := keyOf(tc.n, secret.EncodingAuto, tc.text)
			require.ErrorIs(t, err, secret.ErrEncoding)
			require.Nil(t, b)
			for _, part := range tc.mentions {
				require.ErrorContains(t, err, part)
			}
			var e *secret.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "bytes", e.Op)
			require.Equal(t, "$SECRET.auth.session-key", e.Address.String())
			require.Equal(t, "v1", e.Version)
			require.Equal(t, -1, offsetOf(e))
			if len(tc.text) >= 8 {
				require.Empty(t, redacttest.Check(err, tc.text))
			}
		})
	}
}

// The messages are a closed set: apart from numbers they depend only on the
// kind of fault, so they can contain no character of the text.
func TestKeyErrorsNameNoCharacter(t *testing.T) {
	message := func(text string) string {
		_, err := keyOf(32, secret.EncodingAuto, text)
		require.ErrorIs(t, err, secret.ErrEncoding)
		return err.Error()
	}
	rawStd := base64.RawStdEncoding.EncodeToString(material(32))
	for _, place := range []int{0, 10, 42} {
		want := message(rawStd[:place] + "!" + rawStd[place+1:])
		for c := range 128 {
			text := rawStd[:place] + string(rune(c)) + rawStd[place+1:]
			if _, err := keyOf(32, secret.EncodingAuto, text); err == nil || strings.ContainsRune(" \t\n\v\f\r=", rune(c)) {
				continue
			}
			require.Equal(t, want, message(text), "a character at place %d", place)
		}
	}
	hexText := hex.EncodeToString(material(32))
	want := message(hexText[:10] + "!" + hexText[11:])
	for _, c := range "gGzZ-_+/=%\x00" {
		require.Equal(t, want, message(hexText[:10]+string(c)+hexText[11:]))
	}
}

func TestKeyOfWhiteSpaceInADocument(t *testing.T) {
	_, err := keyOf(32, secret.EncodingAuto, `{"versions":{"v1":{"value":" \n"}}}`)
	require.ErrorIs(t, err, secret.ErrEncoding)
	require.ErrorContains(t, err, "0 characters")
}

func TestRawKey(t *testing.T) {
	for _, n := range []int{16, 32, 1024} {
		text := strings.Repeat("x", n-2) + " ="
		got, err := keyOf(n, secret.EncodingRaw, text)
		requireKey(t, []byte(text), got, err)
	}
	// Hex and base64 are nothing special then, and white space is part of the key.
	text := "000102030405060708090a0b0c0d0e0f"
	got, err := keyOf(32, secret.EncodingRaw, text)
	requireKey(t, []byte(text), got, err)
	got, err = keyOf(16, secret.EncodingRaw, "  sixteen bytes\n")
	requireKey(t, []byte("  sixteen bytes\n"), got, err)
	// Bytes count, not characters.
	got, err = keyOf(16, secret.EncodingRaw, "éééééééé")
	requireKey(t, []byte("éééééééé"), got, err)

	for _, text := range []string{"x", strings.Repeat("Qz7kWv2m", 4)[:31], strings.Repeat("Qz7kWv2m", 4) + "\n",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"} {
		b, err := keyOf(32, secret.EncodingRaw, text)
		require.ErrorIs(t, err, secret.ErrEncoding)
		require.Nil(t, b)
		require.ErrorContains(t, err, fmt.Sprintf("%d bytes long, declared are 32 raw bytes", len(text)))
		if len(text) >= 8 {
			require.Empty(t, redacttest.Check(err, text))
		}
	}
}

// Without a declared length there is nothing to decode.
func TestBytesOfTexts(t *testing.T) {
	const text = " 000102030405060708090a0b0c0d0e0f\n"
	store := oneSecret(text)
	for name, s := range map[string]*secret.Secret{
		"static": secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Store: store}),
		"static raw": secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Encoding: secret.EncodingRaw,
			Store: store}),
		"generated": secret.Generated(secret.Options{Namespace: "auth", Name: "session-key", Store: store}),
		"generated raw": secret.Generated(secret.Options{Namespace: "auth", Name: "session-key", Encoding: secret.EncodingRaw,
			Store: store}),
	} {
		got, err := s.Current().Bytes()
		require.NoError(t, err, name)
		require.True(t, string(got) == text, name)
	}
	doc, err := secret.Parse(text)
	require.NoError(t, err)
	got, err := doc.Current().Bytes()
	requireKey(t, []byte(text), got, err)
}

// Each version is decoded by the same rule.
func TestBytesOfEveryVersion(t *testing.T) {
	a, b := material(32), bytes.Repeat([]byte{7}, 32)
	s := secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Store: oneSecret(
		"current=v2;v1=" + hex.EncodeToString(a) + ";v2=" + base64.StdEncoding.EncodeToString(b) + ";v3=short")})
	got, err := s.Version("v1").Bytes()
	requireKey(t, a, got, err)
	got, err = s.Current().Bytes()
	requireKey(t, b, got, err)
	_, err = s.Version("v3").Bytes()
	require.ErrorIs(t, err, secret.ErrEncoding)
	active, err := s.Active()
	require.NoError(t, err)
	got, err = active[0].Bytes()
	requireKey(t, b, got, err)
}

func TestBytesAreTheCallers(t *testing.T) {
	for name, s := range map[string]*secret.Secret{
		"hex": secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 16,
			Store: oneSecret("000102030405060708090a0b0c0d0e0f")}),
		"base64": secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 16,
			Store: oneSecret("AAECAwQFBgcICQoLDA0ODw")}),
		"raw": secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 16,
			Encoding: secret.EncodingRaw, Store: oneSecret("sixteen bytes...")}),
		"text": secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Store: oneSecret("text")}),
	} {
		v, err := s.Current().Get(t.Context())
		require.NoError(t, err, name)
		before := v.Text()
		first, err := v.Bytes()
		require.NoError(t, err, name)
		want := bytes.Clone(first)
		clear(first)
		_ = append(first, "and more"...)
		again, err := v.Bytes()
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(want, again), "%s: what one caller does to its bytes shows in another's", name)
		require.True(t, before == v.Text(), "%s: or in the text", name)
	}
}
