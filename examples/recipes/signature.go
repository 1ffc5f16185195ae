package recipes

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/layeron-hq/secret"
)

// recipe: signature

var signingSeed = secret.Random(secret.Options{Namespace: "auth", Name: "signing-seed", Bytes: ed25519.SeedSize})

func sign(ctx context.Context, message []byte) (kid string, signature []byte, err error) {
	version, err := signingSeed.Current().Get(ctx)
	if err != nil {
		return "", nil, err
	}
	seed, err := version.Bytes()
	if err != nil {
		return "", nil, err
	}
	return version.ID, ed25519.Sign(ed25519.NewKeyFromSeed(seed), message), nil
}

// jwk is a public key in a JSON Web Key Set.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	Alg string `json:"alg"`
	Use string `json:"use"`
	Kid string `json:"kid"`
	X   string `json:"x"`
}

func publicKeys() ([]jwk, error) {
	versions, err := signingSeed.Active() // announced versions too
	if err != nil {
		return nil, err
	}
	keys := []jwk{}
	for _, version := range versions {
		seed, err := version.Bytes()
		if err != nil {
			return nil, err
		}
		public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
		keys = append(keys, jwk{Kty: "OKP", Crv: "Ed25519", Alg: "EdDSA", Use: "sig", Kid: version.ID,
			X: base64.RawURLEncoding.EncodeToString(public)})
	}
	return keys, nil
}

func serveKeys(w http.ResponseWriter, r *http.Request) {
	keys, err := publicKeys()
	if err != nil {
		slog.Error("the signing seed cannot be read", "error", err)
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "max-age=300") // shorter than the window
	json.NewEncoder(w).Encode(map[string]any{"keys": keys})
}

// end
