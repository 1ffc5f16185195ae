package main

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/layeron-hq/secret"
)

// keySet is a JWK Set (RFC 7517) of Ed25519 keys (RFC 8037).
type keySet struct {
	Keys []jwk `json:"keys"`
}

type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	Alg string `json:"alg"`
	Use string `json:"use"`
	Kid string `json:"kid"`
	X   string `json:"x"`
}

// keySetOf returns the public keys of versions.
func keySetOf(versions []secret.Version) (keySet, error) {
	set := keySet{Keys: []jwk{}}
	for _, v := range versions {
		key, err := publicKey(v)
		if err != nil {
			return keySet{}, err
		}
		set.Keys = append(set.Keys, jwk{Kty: "OKP", Crv: "Ed25519", Alg: algorithm, Use: "sig", Kid: v.ID,
			X: base64url.EncodeToString(key)})
	}
	return set, nil
}

// parseKeySet returns the keys of a JWK Set that verify tokens. A set may also
// have keys of other kinds.
func parseKeySet(text []byte) (map[string]ed25519.PublicKey, error) {
	var set keySet
	if json.Unmarshal(text, &set) != nil || set.Keys == nil {
		return nil, errors.New("the answer is not a JWK Set")
	}
	keys := map[string]ed25519.PublicKey{}
	for _, k := range set.Keys {
		key, ok := decode(k.X)
		if ok && len(key) == ed25519.PublicKeySize && k.Kty == "OKP" && k.Crv == "Ed25519" &&
			(k.Use == "" || k.Use == "sig") && (k.Alg == "" || k.Alg == algorithm) && k.Kid != "" {
			keys[k.Kid] = key
		}
	}
	return keys, nil
}

// longestFresh bounds the time for which a revoked key remains accepted.
const longestFresh = time.Hour

// freshFor returns how long a verifier may use a set of versions without asking
// again. A quarter of the window is enough for every verifier to have an
// announced key before its first use: the rest is for this program's own copy
// and for a flip of another machine. No set is used after the end of one of its
// keys.
func freshFor(window time.Duration, versions []secret.Version, now time.Time) time.Duration {
	fresh := min(window/4, longestFresh)
	for _, v := range versions {
		if !v.ExpiresAt.IsZero() {
			fresh = min(fresh, v.ExpiresAt.Sub(now))
		}
	}
	return max(fresh, 0).Truncate(time.Second)
}

// cacheControl returns the header for a set that is fresh for so long. A cache
// that cannot reach this program must not serve an older set.
func cacheControl(fresh time.Duration) string {
	if fresh < time.Second {
		return "no-cache"
	}
	return "public, max-age=" + strconv.FormatInt(int64(fresh/time.Second), 10) + ", must-revalidate"
}
