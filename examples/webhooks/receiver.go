package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/layeron-hq/secret"
)

// webhookSecret is what the sender signs with. It hands us a new one now and then; for some days both are good.
var webhookSecret = secret.Static(secret.Options{Namespace: "billing", Name: "webhook-secret"})

const (
	signatureHeader = "X-Signature"
	largestBody     = 1 << 20
)

// receive answers 204 to a request whose body was signed with an accepted key, else 401.
func receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	keys, err := webhookSecret.Active()
	if err != nil {
		slog.Error("no webhook secret", "error", err)
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	if !signed(keys, body, strings.TrimPrefix(r.Header.Get(signatureHeader), "sha256=")) {
		http.Error(w, "wrong signature", http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// signed tries every key, whatever matches, so that the time taken does not tell which one it was.
func signed(keys []secret.Version, body []byte, signature string) bool {
	found := false
	for _, key := range keys {
		if hmac.Equal([]byte(hexSignature([]byte(key.Text()), body)), []byte(signature)) {
			found = true
		}
	}
	return found
}

func hexSignature(key, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
