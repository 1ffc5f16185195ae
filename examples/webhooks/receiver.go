package main

import (
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// webhookSecret is the sender's key. The sender issues a new one now and then;
// for some days both are accepted.
var webhookSecret = secret.Static(secret.Options{Namespace: "billing", Name: "webhook-secret"})

const (
	signatureHeader = "X-Signature"
	largestBody     = 1 << 20
)

// receive answers 204 to a request whose body was signed with an accepted key,
// else 401.
func receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	code, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get(signatureHeader), "sha256="))
	if err != nil {
		http.Error(w, "the signature is not hex", http.StatusUnauthorized)
		return
	}
	err = keyring.VerifyHMAC(webhookSecret, body, code)
	switch {
	case errors.Is(err, keyring.ErrInvalidToken):
		http.Error(w, "wrong signature", http.StatusUnauthorized)
	case err != nil:
		slog.Error("no webhook secret", "error", err)
		http.Error(w, "try again later", http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
