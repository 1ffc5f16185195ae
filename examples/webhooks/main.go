// Webhooks verifies a sender's signature with every key that is accepted now,
// so that sender and receiver need not change keys at the same moment.
//
//	go run ./examples/webhooks
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run simulates a sender that changes keys some time after the receiver got the
// new one.
func run(ctx context.Context, out io.Writer) error {
	now := time.Now()
	const oldKey, newKey = "whsec-first-example", "whsec-second-example"
	doc, err := secret.NewDocument("v2",
		secret.NewVersion("v1", oldKey, time.Time{}, now.Add(24*time.Hour)),
		secret.NewVersion("v2", newKey, now, time.Time{}))
	if err != nil {
		return err
	}
	text, err := doc.Encode(secret.FormatCompact)
	if err != nil {
		return err
	}
	app := secret.NewApp(secret.AppOptions{Store: secret.NewMemory(map[string]string{webhookSecret.Binding(): text})}).Use(webhookSecret)
	if err := app.Start(ctx); err != nil {
		return err
	}
	defer app.Close()
	server := httptest.NewServer(http.HandlerFunc(receive))
	defer server.Close()

	for _, sender := range []struct{ who, key string }{
		{"sender with the old key", oldKey},
		{"sender with the new key", newKey},
		{"somebody else", "whsec-guessed"},
	} {
		status, err := send(ctx, server.URL, sender.key, `{"event":"paid"}`)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-24s %s\n", sender.who+":", status)
	}
	return nil
}

// send posts a body with its signature, as the sender does.
func send(ctx context.Context, to, key, body string) (status string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	r.Header.Set(signatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	return answer.Status, nil
}
