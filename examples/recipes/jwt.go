package recipes

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// recipe: jwt

var jwtKey = secret.Random(secret.Options{Namespace: "auth", Name: "jwt-key", Bytes: 32,
	Rotation: &secret.Rotation{EveryDays: 90, Retain: secret.Retention{Mode: secret.RetainFor, Days: 1}}})

type jwtHeader struct {
	Alg  string          `json:"alg"`
	Kid  string          `json:"kid"`
	Crit json.RawMessage `json:"crit,omitempty"`
}

type jwtClaims struct {
	Subject string `json:"sub"`
	Expires int64  `json:"exp"`
}

var base64url = base64.RawURLEncoding.Strict()

func signJWT(ctx context.Context, claims jwtClaims) (string, error) {
	version, err := jwtKey.Current().Get(ctx)
	if err != nil {
		return "", err
	}
	key, err := version.Bytes()
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(jwtHeader{Alg: "HS256", Kid: version.ID})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := base64url.EncodeToString(header) + "." + base64url.EncodeToString(payload)
	return signed + "." + base64url.EncodeToString(hs256(key, signed)), nil
}

func verifyJWT(ctx context.Context, token string) (jwtClaims, error) {
	var header jwtHeader
	parts := strings.Split(token, ".")
	if len(parts) != 3 || !decodeJWT(parts[0], &header) || header.Alg != "HS256" || header.Crit != nil {
		return jwtClaims{}, keyring.ErrInvalidToken
	}
	version, err := keyring.Find(ctx, jwtKey, header.Kid)
	if err != nil {
		return jwtClaims{}, err // keyring.ErrInvalidToken: no such key; else the token may be valid
	}
	key, err := version.Bytes()
	if err != nil {
		return jwtClaims{}, err
	}
	mac, err := base64url.DecodeString(parts[2])
	if err != nil || !hmac.Equal(mac, hs256(key, parts[0]+"."+parts[1])) {
		return jwtClaims{}, keyring.ErrInvalidToken
	}
	var claims jwtClaims
	if !decodeJWT(parts[1], &claims) || time.Now().Unix() >= claims.Expires {
		return jwtClaims{}, keyring.ErrInvalidToken
	}
	return claims, nil
}

func hs256(key []byte, signed string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return mac.Sum(nil)
}

func decodeJWT(part string, into any) bool {
	text, err := base64url.DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

func requireJWT(next func(http.ResponseWriter, *http.Request, jwtClaims)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		claims, err := verifyJWT(r.Context(), token)
		switch {
		case errors.Is(err, keyring.ErrInvalidToken):
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "log in again", http.StatusUnauthorized)
		case err != nil:
			slog.Error("a JWT cannot be judged", "error", err)
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		default:
			next(w, r, claims)
		}
	}
}

// end
