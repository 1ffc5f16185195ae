package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

func TestBothKeysAreAccepted(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), &out))
	require.Equal(t, `sender with the old key: 204 No Content
sender with the new key: 204 No Content
somebody else:           401 Unauthorized
`, out.String())
}

func TestOnlySignedWebhooksAreReceived(t *testing.T) {
	secrettest.Set(t, webhookSecret, "key")
	const right = "sha256=515aae133b435d4000956731f68ae5cf5eb85d4f0dc6a546d2bfcd3595ec1ae1"
	for name, c := range map[string]struct {
		signature string
		want      int
	}{
		"right":   {right, http.StatusNoContent},
		"wrong":   {strings.Replace(right, "b", "c", 1), http.StatusUnauthorized},
		"empty":   {"", http.StatusUnauthorized},
		"no code": {"sha256=", http.StatusUnauthorized},
		"cut":     {right[:len(right)-2], http.StatusUnauthorized},
		"half":    {right[:len(right)-1], http.StatusUnauthorized},
		"no hex":  {right + "zz", http.StatusUnauthorized},
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("body"))
		r.Header.Set(signatureHeader, c.signature)
		w := httptest.NewRecorder()
		receive(w, r)
		require.Equal(t, c.want, w.Code, name)
	}
}

func TestReceiveWithoutAKey(t *testing.T) {
	secrettest.Swap(t, secret.NewMemory(nil), webhookSecret)
	w := httptest.NewRecorder()
	receive(w, httptest.NewRequest("POST", "/", strings.NewReader("body")))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
}
