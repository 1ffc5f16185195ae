package main

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestKeySetHasTheKeysToAccept: old, current and announced ones, each with its
// public half alone.
func TestKeySetHasTheKeysToAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(30 * time.Minute)
		doc, err := secret.NewDocument("v3",
			secret.NewVersion("v1", seedOf("1"), time.Time{}, time.Now()),
			secret.NewVersion("v2", seedOf("2"), time.Time{}, end),
			secret.NewVersion("v3", seedOf("3"), time.Time{}, time.Time{}),
			secret.NewVersion("v4", seedOf("4"), time.Now().Add(24*time.Hour), time.Time{}))
		require.NoError(t, err)
		text, err := doc.Encode(secret.FormatJSON)
		require.NoError(t, err)
		seed, store := stored(text)
		ask := func() *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			issuer{seed, 24 * time.Hour}.handler().ServeHTTP(w, httptest.NewRequest("GET", keySetPath, nil))
			return w
		}
		w := ask()
		require.Equal(t, 200, w.Code)
		require.Equal(t, "application/jwk-set+json", w.Header().Get("Content-Type"))
		require.Equal(t, "public, max-age=1800, must-revalidate", w.Header().Get("Cache-Control"), "v2 ends before the hour")
		var set struct{ Keys []map[string]string }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &set))
		byID := map[string]string{}
		for _, k := range set.Keys {
			byID[k["kid"]] = k["x"]
			delete(k, "x")
			require.Equal(t, map[string]string{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": k["kid"]}, k)
		}
		want := map[string]string{}
		for _, b := range []string{"2", "3", "4"} {
			want["v"+b] = base64url.EncodeToString(keyOf(t, b).Public().(ed25519.PublicKey))
		}
		require.Equal(t, want, byID)
		for _, b := range []string{"1", "2", "3", "4"} {
			require.NotContains(t, w.Body.String(), base64url.EncodeToString(keyOf(t, b).Seed()))
			require.NotContains(t, w.Body.String(), seedOf(b))
		}
		require.True(t, json.Valid(w.Body.Bytes()))

		time.Sleep(30 * time.Minute)
		keys, err := parseKeySet(ask().Body.Bytes())
		require.NoError(t, err)
		require.Len(t, keys, 2)

		store.Fail(errors.New("no route"))
		w = ask()
		require.Equal(t, 503, w.Code)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		store.Fail(nil)
		store.Set(tokenSeed.Binding(), "too short")
		require.Equal(t, 503, ask().Code)
	})
}

func TestFreshnessFitsTheWindow(t *testing.T) {
	now := time.Date(2026, 5, 10, 12, 0, 0, 0, time.UTC)
	ending := func(after ...time.Duration) (versions []secret.Version) {
		for _, d := range after {
			versions = append(versions, secret.NewVersion("v1", "x", time.Time{}, now.Add(d)))
		}
		return append(versions, secret.NewVersion("v2", "x", time.Time{}, time.Time{}))
	}
	for name, c := range map[string]struct {
		window   time.Duration
		versions []secret.Version
		want     string
	}{
		"a day":               {24 * time.Hour, ending(), "public, max-age=3600, must-revalidate"},
		"an hour":             {time.Hour, ending(), "public, max-age=900, must-revalidate"},
		"seconds":             {5 * time.Second, ending(), "public, max-age=1, must-revalidate"},
		"less than a second":  {3 * time.Second, ending(), "no-cache"},
		"none":                {0, ending(), "no-cache"},
		"negative":            {-time.Hour, ending(), "no-cache"},
		"a key ends earlier":  {24 * time.Hour, ending(time.Hour-1, 2*time.Hour), "public, max-age=3599, must-revalidate"},
		"a key ends at once":  {24 * time.Hour, ending(500 * time.Millisecond), "no-cache"},
		"a key ends later":    {time.Hour, ending(time.Hour), "public, max-age=900, must-revalidate"},
		"a key ended already": {time.Hour, ending(-time.Hour), "no-cache"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, cacheControl(freshFor(c.window, c.versions, now)))
		})
	}
}

// FuzzParseKeySet: every key of an accepted set can verify.
func FuzzParseKeySet(f *testing.F) {
	x := base64url.EncodeToString(keyOf(f, "a").Public().(ed25519.PublicKey))
	for _, seed := range []string{`{"keys":[]}`, `{"keys":null}`, `[]`, `{"keys":[{"kty":"RSA","kid":"a","n":"AQAB"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"v1","x":"` + x + `"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"v1","x":"` + x[1:] + `"}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeySet(text)
		if (err == nil) != (keys != nil) {
			t.Fatal(keys, err)
		}
		for kid, key := range keys {
			if kid == "" {
				t.Fatal("a key without an id")
			}
			ed25519.Verify(key, nil, make([]byte, ed25519.SignatureSize)) // panics for a wrong length
		}
	})
}

func TestKeysOfOtherKindsAreLeftOut(t *testing.T) {
	x := base64url.EncodeToString(keyOf(t, "a").Public().(ed25519.PublicKey))
	good := map[string]string{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "v1", "x": x}
	for _, c := range []struct {
		member, value string
		want          int
	}{
		{"kty", "OKP", 1}, {"use", "", 1}, {"alg", "", 1},
		{"kty", "EC", 0}, {"crv", "X25519", 0}, {"use", "enc", 0}, {"alg", "HS256", 0}, {"kid", "", 0},
		{"x", x[1:], 0}, {"x", x + "\n", 0}, {"x", x + "A", 0}, {"x", "", 0},
	} {
		k := map[string]string{}
		for member, value := range good {
			k[member] = value
		}
		k[c.member] = c.value
		text, err := json.Marshal(map[string]any{"keys": []any{k}})
		require.NoError(t, err)
		keys, err := parseKeySet(text)
		require.NoError(t, err)
		require.Len(t, keys, c.want, "%s %q", c.member, c.value)
	}
	for _, text := range []string{"", "null", "{}", "[]", "<html>", `{"keys":{}}`} {
		_, err := parseKeySet([]byte(text))
		require.Error(t, err, text)
	}
}
