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
)

func TestDemonstrationShowsARotation(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, demonstrate(t.Context(), &out))
	for i, want := range [][2]string{
		{"ann: hello ann, your token was signed by v1", "keys: v1"},
		{"ann: hello ann, your token was signed by v1", "keys: v1, v2"},
		{"ann: hello ann, your token was signed by v1", "keys: v1, v2"},
		{"bob: hello bob, your token was signed by v2", "keys: v1, v2"},
		{"ann: log in first", "keys: v2"},
		{"bob: hello bob, your token was signed by v2", "keys: v2"},
	} {
		line := strings.Split(out.String(), "\n")[i]
		require.Contains(t, line, want[0])
		require.True(t, strings.HasSuffix(line, want[1]), line)
	}
}

// responses is a client whose server needs no network, so that time can be
// simulated.
func responses(h http.Handler) *http.Client { return &http.Client{Transport: withoutNetwork{h}} }

type withoutNetwork struct{ handler http.Handler }

func (n withoutNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := make(chan *http.Response, 1)
	go func() {
		w := httptest.NewRecorder()
		n.handler.ServeHTTP(w, r)
		answer <- w.Result()
	}()
	select {
	case a := <-answer:
		return a, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// seedOf returns the stored text of a seed of 32 equal characters.
func seedOf(b string) string { return strings.Repeat(b, 64) }

func stored(text string) (*secret.Secret, *secret.Memory) {
	store := secret.NewMemory(map[string]string{tokenSeed.Binding(): text})
	return tokenSeed.With(store), store
}

var ctx = context.Background()
