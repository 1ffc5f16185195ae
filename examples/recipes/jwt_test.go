package recipes

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/secrettest"
)

func issue(t *testing.T, life time.Duration) string {
	t.Helper()
	token, err := signJWT(t.Context(), jwtClaims{Subject: "ann", Expires: time.Now().Add(life).Unix()})
	require.NoError(t, err)
	return token
}

// ask returns the answer to a request with the token.
func ask(token string) (status int, text string) {
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	r.Header.Set("Authorization", "Bearer "+token)
	requireJWT(func(w http.ResponseWriter, _ *http.Request, c jwtClaims) { fmt.Fprint(w, c.Subject) })(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func requireStatus(t *testing.T, want int, token string) {
	t.Helper()
	status, _ := ask(token)
	require.Equal(t, want, status)
}

func TestTokensOfBothKeysAreAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, jwtKey, key("a"))
		old := issue(t, 24*time.Hour)
		status, text := ask(old)
		require.Equal(t, 200, status)
		require.Equal(t, "ann", text)

		r.announce(key("b"))
		require.Equal(t, "v1", kidOf(t, issue(t, time.Hour)))
		ahead := forge(t, jwtHeader{Alg: "HS256", Kid: "v2"}, "b", time.Hour)
		requireStatus(t, 200, ahead) // of a machine that has read the flip before this one
		r.flip()
		recent := issue(t, 24*time.Hour)
		require.Equal(t, "v2", kidOf(t, recent))
		requireStatus(t, 200, old)
		requireStatus(t, 200, recent)

		time.Sleep(time.Hour)
		requireStatus(t, 401, old) // its key has expired
		requireStatus(t, 200, recent)
		time.Sleep(23 * time.Hour)
		requireStatus(t, 401, recent) // the token has expired
	})
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	var h jwtHeader
	first, _, _ := strings.Cut(token, ".")
	require.True(t, decodeJWT(first, &h))
	return h.Kid
}

// forge signs a token with any header under a key of 32 equal bytes.
func forge(t *testing.T, h jwtHeader, b string, life time.Duration) string {
	t.Helper()
	header, err := json.Marshal(h)
	require.NoError(t, err)
	payload, err := json.Marshal(jwtClaims{Subject: "ann", Expires: time.Now().Add(life).Unix()})
	require.NoError(t, err)
	signed := base64url.EncodeToString(header) + "." + base64url.EncodeToString(payload)
	return signed + "." + base64url.EncodeToString(hs256([]byte(strings.Repeat(b, 32)), signed))
}

func TestWrongTokensAre401(t *testing.T) {
	start(t, jwtKey, key("a"))
	good := forge(t, jwtHeader{Alg: "HS256", Kid: "v1"}, "a", time.Hour)
	requireStatus(t, 200, good)
	signed, signature := good[:strings.LastIndex(good, ".")+1], good[strings.LastIndex(good, ".")+1:]
	for name, token := range map[string]string{
		"none":              "",
		"no JWT":            "a.b.c",
		"two parts":         strings.TrimSuffix(signed, "."),
		"unsigned":          signed,
		"four parts":        good + ".",
		"other signature":   signed + strings.ToUpper(signature),
		"padded":            good + "=",
		"alg none":          forge(t, jwtHeader{Alg: "none", Kid: "v1"}, "a", time.Hour),
		"alg HS512":         forge(t, jwtHeader{Alg: "HS512", Kid: "v1"}, "a", time.Hour),
		"unknown extension": forge(t, jwtHeader{Alg: "HS256", Kid: "v1", Crit: json.RawMessage(`["b64"]`)}, "a", time.Hour),
		"unknown kid":       forge(t, jwtHeader{Alg: "HS256", Kid: "v9"}, "a", time.Hour),
		"no kid":            forge(t, jwtHeader{Alg: "HS256"}, "a", time.Hour),
		"another key":       forge(t, jwtHeader{Alg: "HS256", Kid: "v1"}, "b", time.Hour),
		"expired":           forge(t, jwtHeader{Alg: "HS256", Kid: "v1"}, "a", -time.Second),
	} {
		t.Run(name, func(t *testing.T) { requireStatus(t, 401, token) })
	}
}

func TestUnreadableKeyIs503(t *testing.T) {
	store := secrettest.Set(t, jwtKey, key("a"))
	token := issue(t, time.Hour)
	store.Fail(errors.New("no route"))
	requireStatus(t, 503, token)
	store.Fail(nil)
	store.Set(jwtKey.Address().String(), "too short")
	requireStatus(t, 503, token)
	store.Delete(jwtKey.Address().String())
	requireStatus(t, 503, token)
	_, err := signJWT(t.Context(), jwtClaims{})
	require.Error(t, err)
}

// TestNewerKeyIsAskedFor: rotate --immediate reaches this machine with the
// first token of another one.
func TestNewerKeyIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, jwtKey, key("a"))
		ahead := forge(t, jwtHeader{Alg: "HS256", Kid: "v2"}, "b", time.Hour)
		r.store.Fail(errors.New("no route"))
		requireStatus(t, 503, ahead) // the key may exist
		requireStatus(t, 200, issue(t, time.Hour))
		r.store.Fail(nil)
		secrettest.Announce(t, r.store, jwtKey, key("b"), time.Now())
		secrettest.Flip(t, r.store, jwtKey, time.Hour)
		time.Sleep(10 * time.Second)
		requireStatus(t, 200, ahead)
		requireStatus(t, 401, forge(t, jwtHeader{Alg: "HS256", Kid: "v3"}, "b", time.Hour))
	})
}
