package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/layeron-hq/secret/keyring"
)

const (
	algorithm = "EdDSA" // RFC 8037
	mostBytes = 4096    // of a token
)

// header is the first part of a token.
type header struct {
	Alg  string          `json:"alg"`
	Typ  string          `json:"typ,omitempty"`
	Kid  string          `json:"kid"`
	Crit json.RawMessage `json:"crit,omitempty"`
}

// claims is the second part of a token.
type claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Subject  string `json:"sub"`
	Expires  int64  `json:"exp"` // Unix seconds
}

// lookup returns the public key with that id. Its error wraps
// keyring.ErrInvalidToken if there is no such key, and otherwise says why the
// keys cannot be read.
type lookup func(ctx context.Context, kid string) (ed25519.PublicKey, error)

var base64url = base64.RawURLEncoding.Strict()

func sign(key ed25519.PrivateKey, h header, c claims) (string, error) {
	first, err := json.Marshal(h)
	if err != nil {
		return "", err
	}
	second, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed := base64url.EncodeToString(first) + "." + base64url.EncodeToString(second)
	return signed + "." + base64url.EncodeToString(ed25519.Sign(key, []byte(signed))), nil
}

// verify returns the claims of a token and the id of its key. If the token is
// not accepted, the error wraps keyring.ErrInvalidToken: answer 401. With any
// other error the token may be valid: answer 503.
func verify(ctx context.Context, token string, find lookup) (c claims, kid string, err error) {
	parts := strings.Split(token, ".")
	if len(token) > mostBytes || len(parts) != 3 {
		return claims{}, "", refused("it is not a JWT of three parts")
	}
	var h header
	signature, ok := decode(parts[2])
	if !ok || !decodeJSON(parts[0], &h) {
		return claims{}, "", refused("it cannot be decoded")
	}
	// The verifier decides on the algorithm, not the token.
	if h.Alg != algorithm || h.Crit != nil {
		return claims{}, "", refused("it has another algorithm or an extension")
	}
	key, err := find(ctx, h.Kid)
	if err != nil {
		return claims{}, "", err
	}
	if !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), signature) {
		return claims{}, "", refused("the key that it names did not sign it")
	}
	switch {
	case !decodeJSON(parts[1], &c):
		return claims{}, "", refused("its claims cannot be decoded")
	case c.Issuer != issuerName || c.Audience != audience:
		return claims{}, "", refused("it is of another issuer or for another service")
	case time.Now().Unix() >= c.Expires:
		return claims{}, "", refused("it has expired")
	}
	return c, h.Kid, nil
}

func refused(why string) error { return fmt.Errorf("%w: %s", keyring.ErrInvalidToken, why) }

// decode decodes a part of a token. Each part has one spelling: line breaks,
// which package base64 skips, are refused.
func decode(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, false
	}
	text, err := base64url.DecodeString(part)
	return text, err == nil
}

func decodeJSON(part string, into any) bool {
	text, ok := decode(part)
	return ok && json.Unmarshal(text, into) == nil
}
