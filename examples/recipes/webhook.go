package recipes

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

// recipe: webhook

var webhookSecret = secret.Static(secret.Options{Namespace: "billing", Name: "webhook-secret"})

func verifyWebhook(header http.Header, body []byte) error {
	mac, err := hex.DecodeString(strings.TrimPrefix(header.Get("X-Hub-Signature-256"), "sha256="))
	if err != nil {
		return keyring.ErrInvalidToken
	}
	return keyring.VerifyHMAC(webhookSecret, body, mac) // with each active version
}

func webhooks(verify func(http.Header, []byte) error, receive func(body []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "the body cannot be read", http.StatusBadRequest)
			return
		}
		err = verify(r.Header, body)
		switch {
		case errors.Is(err, keyring.ErrInvalidToken):
			http.Error(w, "wrong signature", http.StatusUnauthorized)
		case err != nil:
			slog.Error("the webhook secret cannot be read", "error", err)
			http.Error(w, "try again later", http.StatusServiceUnavailable) // the sender repeats it
		default:
			receive(body)
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

// end
