package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

func TestDemonstrationShowsARotation(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, demonstrate(context.Background(), &out))
	for i, want := range []string{"logged in", "ann, your cookie was signed by v1", "signed by v1", "signed by v1",
		"bob, your cookie was signed by v2", "log in first", "signed by v2"} {
		require.Contains(t, strings.Split(out.String(), "\n")[i], want)
	}
}

// TestCookieThroughARotation: a login outlives the key that signed it by the
// overlap, and ends with it.
func TestCookieThroughARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		store := secrettest.Set(t, sessionKey, newKey())
		app := secret.NewApp(secret.AppOptions{}).Use(sessionKey)
		require.NoError(t, app.Start(ctx))
		defer app.Close()
		server := handler(app)
		answer := func(cookie string) string {
			r := httptest.NewRequest("GET", "/", nil)
			r.AddCookie(&http.Cookie{Name: cookieName, Value: cookie})
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			return strings.TrimSpace(w.Body.String())
		}
		newCookie := func() string {
			w := httptest.NewRecorder()
			server.ServeHTTP(w, httptest.NewRequest("POST", "/login?user=ann", nil))
			return w.Result().Cookies()[0].Value
		}
		const byV1, byV2, refused = "hello ann, your cookie was signed by v1", "hello ann, your cookie was signed by v2", "log in first"
		old := newCookie()
		secrettest.Announce(t, store, sessionKey, newKey(), time.Now().Add(time.Hour))
		time.Sleep(time.Hour)
		require.Equal(t, byV1, answer(old))
		secrettest.Flip(t, store, sessionKey, 2*time.Hour)
		time.Sleep(time.Minute)
		require.Equal(t, byV1, answer(old))
		require.Equal(t, byV2, answer(newCookie()))
		time.Sleep(2 * time.Hour)
		require.Equal(t, refused, answer(old))

		cookie := newCookie()
		for i := range len(cookie) {
			bent := []byte(cookie)
			bent[i] ^= 1
			require.Equal(t, refused, answer(string(bent)), "a bent cookie passes")
		}
		time.Sleep(cookieLife)
		require.Equal(t, refused, answer(cookie))
	})
}

func TestRefusesToStartWithoutAKey(t *testing.T) {
	store := secret.NewMemory(nil)
	secrettest.Swap(t, store, sessionKey)
	server := httptest.NewServer(handler(secret.NewApp(secret.AppOptions{})))
	defer server.Close()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	r, err := (&http.Client{Jar: jar}).Post(server.URL+"/login?user=ann", "", nil)
	require.NoError(t, err)
	defer r.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, r.StatusCode)
}
