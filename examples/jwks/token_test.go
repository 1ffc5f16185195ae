package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/keyring"
)

// one is a lookup with a single key, v1.
func one(key ed25519.PrivateKey) lookup {
	return func(_ context.Context, kid string) (ed25519.PublicKey, error) {
		if kid != "v1" {
			return nil, refused("unknown")
		}
		return key.Public().(ed25519.PublicKey), nil
	}
}

func keyOf(t testing.TB, b string) ed25519.PrivateKey {
	t.Helper()
	seed, err := hex.DecodeString(seedOf(b))
	require.NoError(t, err)
	return ed25519.NewKeyFromSeed(seed)
}

// forge signs a token with any header and claims.
func forge(t testing.TB, key ed25519.PrivateKey, h, c any) string {
	t.Helper()
	first, err := json.Marshal(h)
	require.NoError(t, err)
	second, err := json.Marshal(c)
	require.NoError(t, err)
	signed := base64url.EncodeToString(first) + "." + base64url.EncodeToString(second)
	return signed + "." + base64url.EncodeToString(ed25519.Sign(key, []byte(signed)))
}

func right() (header, claims) {
	return header{Alg: algorithm, Typ: "JWT", Kid: "v1"},
		claims{issuerName, audience, "ann", time.Now().Add(time.Minute).Unix()}
}

func TestOnlyOwnTokensAreAccepted(t *testing.T) {
	key := keyOf(t, "a")
	h, c := right()
	good, err := sign(key, h, c)
	require.NoError(t, err)
	got, kid, err := verify(ctx, good, one(key))
	require.NoError(t, err)
	require.Equal(t, c, got)
	require.Equal(t, "v1", kid)

	withHeader := func(change func(*header)) string {
		h, c := right()
		change(&h)
		return forge(t, key, h, c)
	}
	withClaims := func(change func(*claims)) string {
		h, c := right()
		change(&c)
		return forge(t, key, h, c)
	}
	cut := strings.LastIndexByte(good, '.') + 1
	for name, token := range map[string]string{
		"empty":             "",
		"no JWT":            "a.b.c",
		"two parts":         good[:cut-1],
		"four parts":        good + ".",
		"unsigned":          good[:cut],
		"short signature":   good[:len(good)-2],
		"padded":            good + "==",
		"line break":        good + "\n",
		"break in a part":   good[:5] + "\r" + good[5:],
		"another spelling":  good[:len(good)-1] + "B", // ends in A, Q, g or w: the other bits are not used
		"another key":       forge(t, keyOf(t, "b"), h, c),
		"alg none":          withHeader(func(h *header) { h.Alg = "none" }),
		"alg HS256":         withHeader(func(h *header) { h.Alg = "HS256" }),
		"no alg":            withHeader(func(h *header) { h.Alg = "" }),
		"unknown extension": withHeader(func(h *header) { h.Crit = json.RawMessage(`["b64"]`) }),
		"unknown kid":       withHeader(func(h *header) { h.Kid = "v2" }),
		"no kid":            withHeader(func(h *header) { h.Kid = "" }),
		"kid is a number":   forge(t, key, map[string]any{"alg": algorithm, "kid": 1}, c),
		"another issuer":    withClaims(func(c *claims) { c.Issuer += "/" }),
		"another audience":  withClaims(func(c *claims) { c.Audience = "" }),
		"expired":           withClaims(func(c *claims) { c.Expires = time.Now().Unix() }),
		"without an end":    withClaims(func(c *claims) { c.Expires = 0 }),
		"claims are a list": forge(t, key, h, []int{}),
		"too long":          withClaims(func(c *claims) { c.Subject = strings.Repeat("x", mostBytes) }),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := verify(ctx, token, one(key))
			require.ErrorIs(t, err, keyring.ErrInvalidToken)
		})
	}
	for i := range good {
		spoiled := []byte(good)
		spoiled[i] ^= 1
		_, _, err := verify(ctx, string(spoiled), one(key))
		require.ErrorIs(t, err, keyring.ErrInvalidToken)
	}
}

// TestUnreadableKeysDoNotJudgeAToken: the error of the lookup is the answer.
func TestUnreadableKeysDoNotJudgeAToken(t *testing.T) {
	h, c := right()
	down := errors.New("no route")
	_, _, err := verify(ctx, forge(t, keyOf(t, "a"), h, c),
		func(context.Context, string) (ed25519.PublicKey, error) { return nil, down })
	require.ErrorIs(t, err, down)
	require.NotErrorIs(t, err, keyring.ErrInvalidToken)
}

// FuzzVerify: every accepted token is, character for character, the one that
// its key signs, with the claims that verify returns.
func FuzzVerify(f *testing.F) {
	key := keyOf(f, "a")
	end := time.Now().Add(24 * time.Hour).Unix()
	h, c := right()
	c.Expires = end
	good := forge(f, key, h, c)
	for _, seed := range []string{good, good + "\n", good[:len(good)-1], "e30.e30.", "..", "",
		forge(f, key, map[string]any{"ALG": algorithm, "kid": "v1"}, c),
		forge(f, key, h, map[string]any{"iss": issuerName, "aud": audience, "exp": 1e300})} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, token string, signed bool) {
		if signed { // a right signature takes the fuzzer behind it
			if i := strings.LastIndexByte(token, '.'); i >= 0 {
				token = token[:i]
			}
			token += "." + base64url.EncodeToString(ed25519.Sign(key, []byte(token)))
		}
		c, kid, err := verify(ctx, token, one(key))
		if err != nil {
			if !errors.Is(err, keyring.ErrInvalidToken) {
				t.Fatal(err)
			}
			return
		}
		parts := strings.Split(token, ".")
		again := parts[0] + "." + parts[1]
		again += "." + base64url.EncodeToString(ed25519.Sign(key, []byte(again)))
		if len(parts) != 3 || again != token {
			t.Fatalf("accepted %q, which is written %q", token, again)
		}
		var read struct {
			header
			claims
		}
		for i, into := range []any{&read.header, &read.claims} {
			text, err := base64url.DecodeString(parts[i])
			if err != nil || base64url.EncodeToString(text) != parts[i] || json.Unmarshal(text, into) != nil {
				t.Fatalf("accepted %q, whose part %d has another spelling", token, i)
			}
		}
		if kid != "v1" || read.Kid != kid || read.Alg != algorithm || read.claims != c || c.Issuer != issuerName ||
			c.Audience != audience || c.Expires <= time.Now().Unix()-1 {
			t.Fatalf("accepted %q", token)
		}
	})
}
