package main

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnswersTellOutagesFromWrongTokens(t *testing.T) {
	seed, store := stored("current=v1;v1=" + seedOf("1"))
	server := issuer{seed, time.Hour}.handler()
	post := func(form string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/token", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		return w
	}
	get := func(token string) (int, string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	w := post("user=ann")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	token := strings.TrimSpace(w.Body.String())
	status, text := get(token)
	require.Equal(t, 200, status)
	require.Equal(t, "hello ann, your token was signed by v1\n", text)
	status, _ = get("")
	require.Equal(t, 401, status)
	require.Equal(t, 400, post("").Code)
	require.Equal(t, 400, post("user="+strings.Repeat("x", 201)).Code)
	require.Equal(t, 400, post("user="+strings.Repeat("x", 5000)).Code)

	store.Fail(errors.New("no route"))
	status, text = get(token)
	require.Equal(t, 503, status)
	require.NotContains(t, text, "route")
	status, _ = get("a.b.c")
	require.Equal(t, 401, status, "what is no JWT needs no key")
	require.Equal(t, 503, post("user=ann").Code)
}
