package keyring_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

var ctx = context.Background()

func TestSignAndVerify(t *testing.T) {
	tokens := keyring.NewSigner(stored("current=v2;v1="+hexKey(1)+";v2="+hexKey(2)), "session cookie")
	expires := time.Now().Add(time.Hour)
	for _, size := range []int{0, 1, 2, 3, 64, 4000, 64 << 10} {
		payload := bytes.Repeat([]byte{0xfb}, size)
		token, err := tokens.Sign(payload, expires)
		require.NoError(t, err)
		require.Equal(t, tokenOf(rawKey(2), "session cookie", "v2", uint64(expires.Unix()), string(payload)), token)
		got, err := tokens.Verify(ctx, token)
		require.NoError(t, err)
		require.Equal(t, payload, got)
	}
	token, err := tokens.Sign(nil, time.Time{})
	require.NoError(t, err)
	require.Equal(t, tokenOf(rawKey(2), "session cookie", "v2", 0, ""), token)

	old := tokenOf(rawKey(1), "session cookie", "v1", 0, "ann")
	got, err := tokens.Verify(ctx, old)
	require.NoError(t, err)
	require.Equal(t, "ann", string(got))
}

// TestBitsAndCuts: no character of a token can be changed, removed or added,
// for any last character of the tag.
func TestBitsAndCuts(t *testing.T) {
	tokens := keyring.NewSigner(stored("current=v1;v1="+hexKey(1)), "p")
	refused := func(token, what string, i int) {
		t.Helper()
		_, err := tokens.Verify(ctx, token)
		require.ErrorIs(t, err, keyring.ErrInvalidToken, "%s %d", what, i)
	}
	for n := range 12 { // bodies and tags of every ending
		token, err := tokens.Sign(bytes.Repeat([]byte{byte(n)}, n), time.Time{})
		require.NoError(t, err)
		for i := range token {
			for bit := range 8 {
				bent := []byte(token)
				bent[i] ^= 1 << bit
				refused(string(bent), "bit", 8*i+bit)
			}
			refused(token[:i], "cut at", i)
			refused(token[i+1:], "begun after", i)
			for _, extra := range []string{"\n", "\r", "=", ".", " ", "A"} {
				refused(token[:i]+extra+token[i:], "inserted at", i)
			}
		}
		for _, extra := range []string{"\n", "\r\n", "=", "==", ".", " ", "A", "\x00"} {
			refused(token+extra, "added", n)
			refused(extra+token, "put before", n)
		}
	}
}

// TestOneSpelling: where base64 knows several ways to write the same bytes, one
// is accepted: also in a body that the tag is right for.
func TestOneSpelling(t *testing.T) {
	tokens := keyring.NewSigner(stored("current=v1;v1="+hexKey(1)), "p")
	sign := func(signed string) string {
		tag := hmacOf(derived(rawKey(1), "sign", "p"), []byte(signed))
		return signed + "." + encode(tag)
	}
	body := encode(append(make([]byte, 8), "pay?>load"...)) // has - and _ in it, and an end without spare bits
	odd := encode(append(make([]byte, 8), "pay"...))        // ends in two spare bits
	for name, c := range map[string]struct {
		token string
		good  bool
	}{
		"as it is":      {sign("s1.v1." + body), true},
		"odd":           {sign("s1.v1." + odd), true},
		"trailing bits": {sign("s1.v1." + odd[:len(odd)-1] + string(odd[len(odd)-1]+1)), false},
		"padding":       {sign("s1.v1." + odd + "="), false},
		"line feed":     {sign("s1.v1." + odd[:4] + "\n" + odd[4:]), false},
		"return":        {sign("s1.v1." + odd + "\r"), false},
		"short body":    {sign("s1.v1." + encode(make([]byte, 7))), false},
		"no body":       {sign("s1.v1."), false},
		"far expiry":    {sign("s1.v1." + encode([]byte{0, 0, 0, 0x3a, 0xff, 0xf4, 0x41, 0x80})), false},
		// the first second of 10000
		"last expiry":    {sign("s1.v1." + encode([]byte{0, 0, 0, 0x3a, 0xff, 0xf4, 0x41, 0x7f})), true},
		"sign bit":       {sign("s1.v1." + encode([]byte{0x80, 0, 0, 0, 0, 0, 0, 0})), false},
		"another prefix": {sign("s2.v1." + body), false},
		"upper prefix":   {sign("S1.v1." + body), false},
		"too large":      {sign("s1.v1." + encode(make([]byte, 8+64<<10+1))), false},
		"largest":        {sign("s1.v1." + encode(make([]byte, 8+64<<10))), true},
	} {
		_, err := tokens.Verify(ctx, c.token)
		if c.good {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, keyring.ErrInvalidToken, name)
		}
	}
}

// TestSwappedSecretIsSignedWith: a token made for one purpose, use, id or key
// passes for no other.
func TestSwappedSecretIsSignedWith(t *testing.T) {
	s := stored("current=v2;v1=" + hexKey(1) + ";v2=" + hexKey(2))
	tokens := keyring.NewSigner(s, "session cookie")
	for name, token := range map[string]string{
		"another purpose":  tokenOf(rawKey(2), "password reset", "v2", 0, "ann"),
		"purpose's prefix": tokenOf(rawKey(2), "session", "v2", 0, "ann"),
		"another version":  tokenOf(rawKey(2), "session cookie", "v1", 0, "ann"),
		"another key":      tokenOf(rawKey(3), "session cookie", "v2", 0, "ann"),
		"use in purpose":   tokenOf(rawKey(2), "\x00session cookie", "v2", 0, "ann"),
		"the raw key": "s1.v2." + encode(make([]byte, 8)) + "." +
			encode(hmacOf(rawKey(2), []byte("s1.v2."+encode(make([]byte, 8))))),
		"the sealing key": "s1.v2." + encode(make([]byte, 8)) + "." +
			encode(hmacOf(derived(rawKey(2), "seal", "session cookie"), []byte("s1.v2."+encode(make([]byte, 8))))),
		"a later expiry": strings.Replace(tokenOf(rawKey(2), "session cookie", "v2", 0, "ann"), "AAAAAAAAAA", "AAAAAAAAAQ",
			1),
		"nothing":           "",
		"dots":              "s1...",
		"an id of 65":       tokenOf(rawKey(2), "session cookie", strings.Repeat("v", 65), 0, "ann"),
		"an id with a dash": tokenOf(rawKey(2), "session cookie", "v2\u2010", 0, "ann"),
	} {
		_, err := tokens.Verify(ctx, token)
		require.ErrorIs(t, err, keyring.ErrInvalidToken, name)
		require.NotErrorIs(t, err, keyring.ErrExpired, name)
	}
}

func TestTokenExpiresAtItsSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		s := secret.Random(secret.Options{Name: "key"})
		tokens := keyring.NewSigner(s.With(secret.NewMemory(map[string]string{s.Binding(): "current=v1;v1=" + hexKey(1) +
			";v1_expires=" + now.Add(time.Hour).UTC().Format(time.RFC3339)})), "p")
		minute, err := tokens.Sign([]byte("m"), now.Add(time.Minute+999*time.Millisecond)) // rounded down
		require.NoError(t, err)
		forever, err := tokens.Sign([]byte("f"), time.Time{})
		require.NoError(t, err)

		time.Sleep(time.Minute - 1)
		_, err = tokens.Verify(ctx, minute)
		require.NoError(t, err, "a nanosecond early")
		time.Sleep(time.Nanosecond)
		_, err = tokens.Verify(ctx, minute)
		require.ErrorIs(t, err, keyring.ErrInvalidToken)
		require.ErrorIs(t, err, keyring.ErrExpired)
		bent := minute[:len(minute)-2] + "AA"
		_, err = tokens.Verify(ctx, bent)
		require.ErrorIs(t, err, keyring.ErrInvalidToken)
		require.NotErrorIs(t, err, keyring.ErrExpired, "before the tag is believed, no expiry is")

		time.Sleep(59*time.Minute - 1)
		_, err = tokens.Verify(ctx, forever)
		require.NoError(t, err)
		time.Sleep(time.Nanosecond)
		_, err = tokens.Verify(ctx, forever)
		require.ErrorIs(t, err, keyring.ErrInvalidToken)
		require.ErrorIs(t, err, secret.ErrNotActive)
		_, err = tokens.Sign(nil, time.Time{})
		require.ErrorIs(t, err, secret.ErrNotActive, "nobody would accept it")
		require.NotErrorIs(t, err, keyring.ErrInvalidToken)
	})
}

func TestWhatCannotBeSigned(t *testing.T) {
	good := stored("current=v1;v1=" + hexKey(1))
	long := strings.Repeat("i", 65)
	at := func(s string) time.Time {
		when, err := time.Parse(time.RFC3339Nano, s)
		require.NoError(t, err)
		return when
	}
	for name, c := range map[string]struct {
		secret  *secret.Secret
		purpose string
		payload int
		expires time.Time
		want    error
	}{
		"no purpose":   {good, "", 0, time.Time{}, secret.ErrInvalid},
		"no secret":    {nil, "p", 0, time.Time{}, secret.ErrInvalid},
		"wrong secret": {secret.Static(secret.Options{Name: "Not A Name"}), "p", 0, time.Time{}, secret.ErrInvalid},
		"nothing stored": {secret.Random(secret.Options{Name: "k"}).With(secret.NewMemory(nil)), "p", 0, time.Time{},
			secret.ErrNotFound},
		"too large":    {good, "p", 64<<10 + 1, time.Time{}, secret.ErrTooLarge},
		"before 1970":  {good, "p", 0, at("1969-12-31T23:59:59Z"), secret.ErrInvalid},
		"1970":         {good, "p", 0, at("1970-01-01T00:00:00.999999999Z"), secret.ErrInvalid},
		"after 9999":   {good, "p", 0, time.Unix(253402300800, 0), secret.ErrInvalid},
		"one off zero": {good, "p", 0, time.Time{}.Add(1), secret.ErrInvalid},
		"a short key": {secret.Static(secret.Options{Name: "k"}).With(memory("k", strings.Repeat("k", 31))), "p", 0,
			time.Time{}, secret.ErrInvalid},
		"a short raw key": {secret.Random(secret.Options{Name: "k", Bytes: 31, Encoding: secret.EncodingRaw}).With(memory("k",
			strings.Repeat("k", 31))), "p", 0, time.Time{}, secret.ErrInvalid},
		"a dot in the id": {stored(`{"versions":{"v.1":{"value":"` + hexKey(1) + `"}}}`), "p", 0, time.Time{},
			secret.ErrInvalid},
		"an id of 65": {stored(`{"versions":{"` + long + `":{"value":"` + hexKey(1) + `"}}}`), "p", 0, time.Time{},
			secret.ErrInvalid},
		"an empty rest": {stored("current=v1;v1=abc"), "p", 0, time.Time{}, secret.ErrEncoding},
	} {
		_, err := keyring.NewSigner(c.secret, c.purpose).Sign(make([]byte, c.payload), c.expires)
		require.ErrorIs(t, err, c.want, name)
		require.NotErrorIs(t, err, keyring.ErrInvalidToken, name)
	}
	for name, s := range map[string]*secret.Secret{
		"16 bytes decoded": secret.Random(secret.Options{Name: "k", Bytes: 16}).With(memory("k",
			strings.Repeat("ab", 16))),
		"32 characters of raw": secret.Static(secret.Options{Name: "k"}).With(memory("k", strings.Repeat("k", 32))),
		"an id of 64":          stored(`{"versions":{"` + long[1:] + `":{"value":"` + hexKey(1) + `"}}}`),
	} {
		tokens := keyring.NewSigner(s, "p")
		for _, expires := range []time.Time{{}, at("9999-12-31T23:59:59.9Z")} {
			token, err := tokens.Sign([]byte("x"), expires)
			require.NoError(t, err, name)
			_, err = tokens.Verify(ctx, token)
			require.NoError(t, err, name)
		}
		_, err := tokens.Sign(nil, time.Unix(1, 0))
		require.NoError(t, err)
	}
}

// TestFaultsAreNoRefusals: where the secret cannot be read, nothing is said
// about the token.
func TestFaultsAreNoRefusals(t *testing.T) {
	token := tokenOf(rawKey(1), "p", "v1", 0, "ann")
	sealed := sealedOf(t, rawKey(1), "p", "v1", make([]byte, 24), nil, nil)
	down := secret.NewMemory(nil)
	down.Fail(context.Canceled)
	for name, c := range map[string]struct {
		secret  *secret.Secret
		purpose string
		want    error
	}{
		"store down":  {secret.Random(secret.Options{Name: "k"}).With(down), "p", context.Canceled},
		"not found":   {secret.Random(secret.Options{Name: "k"}).With(secret.NewMemory(nil)), "p", secret.ErrNotFound},
		"malformed":   {stored("current=v1;v1="), "p", secret.ErrMalformed},
		"no purpose":  {stored("current=v1;v1=" + hexKey(1)), "", secret.ErrInvalid},
		"no secret":   {nil, "p", secret.ErrInvalid},
		"undecodable": {stored("current=v1;v1=abc"), "p", secret.ErrEncoding},
		"short": {secret.Static(secret.Options{Name: "k"}).With(memory("k", "current=v1;v1=abc")), "p",
			secret.ErrInvalid},
		"wrong secret": {secret.Static(secret.Options{Name: "!"}), "p", secret.ErrInvalid},
	} {
		_, err := keyring.NewSigner(c.secret, c.purpose).Verify(ctx, token)
		require.ErrorIs(t, err, c.want, name)
		require.NotErrorIs(t, err, keyring.ErrInvalidToken, name)
		_, err = keyring.NewSealer(c.secret, c.purpose).Open(ctx, sealed, nil)
		require.ErrorIs(t, err, c.want, name)
		require.NotErrorIs(t, err, keyring.ErrOpen, name)
		require.False(t, keyring.NewSigner(c.secret, c.purpose).Stale(token), name)
		require.False(t, keyring.NewSealer(c.secret, c.purpose).Stale(sealed), name)
	}
}

func TestZeroSignerAndSealer(t *testing.T) {
	for _, s := range []*keyring.Signer{nil, new(keyring.Signer)} {
		_, err := s.Sign(nil, time.Time{})
		require.ErrorIs(t, err, secret.ErrInvalid)
		_, err = s.Verify(ctx, "")
		require.ErrorIs(t, err, secret.ErrInvalid)
		require.False(t, s.Stale("s1.v1.AAAAAAAAAAA."+encode(make([]byte, 32))))
	}
	for _, s := range []*keyring.Sealer{nil, new(keyring.Sealer)} {
		_, err := s.SealText(nil, nil)
		require.ErrorIs(t, err, secret.ErrInvalid)
		_, err = s.OpenText(ctx, "", nil)
		require.ErrorIs(t, err, secret.ErrInvalid)
		require.False(t, s.StaleText(""))
	}
}

// TestStaleNamesReplacedVersions: versions that the current one has replaced
// are stale, and no others.
func TestStaleNamesReplacedVersions(t *testing.T) {
	s := stored(`{"current":"v2","versions":{
		"v0":{"value":"` + hexKey(9) + `"},
		"v1":{"value":"` + hexKey(1) + `","activeFrom":"2026-01-01T00:00:00Z","expiresAt":"2026-03-01T00:00:00Z"},
		"same":{"value":"` + hexKey(4) + `","activeFrom":"2026-02-01T00:00:00Z"},
		"v2":{"value":"` + hexKey(2) + `","activeFrom":"2026-02-01T00:00:00Z"},
		"v3":{"value":"` + hexKey(3) + `","activeFrom":"2026-02-01T00:00:01Z"}}}`)
	tokens, records := keyring.NewSigner(s, "p"), keyring.NewSealer(s, "p")
	for id, want := range map[string]bool{"v0": true, "v1": true, "same": true, "v2": false, "v3": false, "v9": false,
		"": false} {
		require.Equal(t, want, tokens.Stale(tokenOf(rawKey(1), "p", id, 0, "")), id)
		sealed := sealedOf(t, rawKey(1), "p", id, make([]byte, 24), nil, nil)
		require.Equal(t, want, records.Stale(sealed), id)
		require.Equal(t, want, records.StaleText(encode(sealed)), id)
		require.False(t, records.StaleText(encode(sealed)+"\n"), id)
		require.False(t, records.Stale(sealed[:len(sealed)-1]), id)
		require.False(t, tokens.Stale(tokenOf(rawKey(1), "p", id, 0, "")+"A"), id)
	}
}
