package recipes

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

func TestNewAccessTokensAreFetchedWithTheNewClientSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, oauthSecret, "old+secret%")
		var used []string
		s := &tokenSource{endpoint: "https://id.example.com/token", clientID: "shop",
			client: &http.Client{Transport: respond(func(w http.ResponseWriter, r *http.Request) {
				require.Equal(t, "client_credentials", r.FormValue("grant_type"))
				id, encoded, _ := r.BasicAuth()
				require.Equal(t, "shop", id)
				clientSecret, err := url.QueryUnescape(encoded)
				require.NoError(t, err)
				used = append(used, clientSecret)
				fmt.Fprintf(w, `{"access_token": "token-%d", "token_type": "Bearer", "expires_in": 3600}`, len(used))
			})}}
		token := func() string {
			t.Helper()
			token, err := s.Token(t.Context())
			require.NoError(t, err)
			return token
		}
		require.Equal(t, "token-1", token())
		r.set("new")
		require.Equal(t, "token-1", token(), "an access token outlives the client secret")
		time.Sleep(59 * time.Minute)
		require.Equal(t, "token-2", token())
		require.Equal(t, []string{"old+secret%", "new"}, used)
	})
}

func TestNoAccessTokenIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"refused":  {http.StatusUnauthorized, `{"error": "invalid_client"}`, "fetch an access token: 401 Unauthorized"},
		"no JSON":  {http.StatusOK, "<html>", "fetch an access token: invalid character '<'"},
		"cut off":  {http.StatusOK, `{"access_token`, "fetch an access token: unexpected EOF"},
		"no token": {http.StatusOK, `{}`, "fetch an access token: the answer has none"},
	} {
		t.Run(name, func(t *testing.T) {
			secrettest.Set(t, oauthSecret, "secret")
			s := &tokenSource{endpoint: "https://id.example.com/token",
				client: &http.Client{Transport: respond(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(c.status)
					fmt.Fprint(w, c.body)
				})}}
			_, err := s.Token(t.Context())
			require.ErrorContains(t, err, c.want)
		})
	}
	secrettest.Swap(t, secret.NewMemory(nil), oauthSecret)
	_, err := new(tokenSource).Token(t.Context())
	require.ErrorIs(t, err, secret.ErrNotFound)
}
