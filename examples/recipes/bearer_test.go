package recipes

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

func TestEachRequestHasTheCurrentToken(t *testing.T) {
	r := start(t, apiToken, "old")
	var seen []string
	record := func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(record))
	defer elsewhere.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record(w, r)
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}
	}))
	defer api.Close()
	client := &http.Client{Transport: bearer{api.URL, http.DefaultTransport}}
	get := func(path string) {
		t.Helper()
		answer, err := client.Get(api.URL + path)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}
	get("/")
	r.set("new")
	get("/")
	get("/moved")
	require.Equal(t, []string{"Bearer old", "Bearer new", "Bearer new", ""}, seen, "another server gets no token")
}

func TestRequestStaysUnchanged(t *testing.T) {
	secrettest.Set(t, apiToken, "token")
	r := httptest.NewRequest("GET", "https://api.example.com/", nil)
	_, err := bearer{"https://api.example.com", respond(func(http.ResponseWriter, *http.Request) {})}.RoundTrip(r)
	require.NoError(t, err)
	require.Empty(t, r.Header)
}

type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

func TestWithoutATokenNothingIsSent(t *testing.T) {
	secrettest.Swap(t, secret.NewMemory(nil), apiToken)
	sent := &body{Reader: strings.NewReader("text")}
	r, err := http.NewRequest("POST", "https://api.example.com/", sent)
	require.NoError(t, err)
	_, err = bearer{origin: "https://api.example.com"}.RoundTrip(r)
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.True(t, sent.closed)
}
