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

func TestDemonstration(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, demonstrate(context.Background(), &out))
	for i, want := range []string{"logged in", "ann, your cookie was signed by v1", "signed by v1", "signed by v1",
		"bob, your cookie was signed by v2", "log in first", "signed by v2"} {
		require.Contains(t, strings.Split(out.String(), "\n")[i], want)
	}
}

// TestCookieThroughARotation: a login outlives the key that signed it by the overlap, and ends with it.
func TestCookieThroughARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		store := secrettest.Set(t, sessionKey, newKey())
		app := secret.NewApp(secret.AppOptions{}).Use(sessionKey)
		require.NoError(t, app.Start(ctx))
		defer app.Close()
		signedBy := func(cookie string) string {
			who, err := check(ctx, cookie, time.Now())
			if err != nil {
				return err.Error()
			}
			return who.key
		}
		newCookie := func() string {
			cookie, err := issue(ctx, "ann", time.Now())
			require.NoError(t, err)
			return cookie
		}
		old := newCookie()
		secrettest.Announce(t, store, sessionKey, newKey(), time.Now().Add(time.Hour))
		time.Sleep(time.Hour)
		require.Equal(t, "v1", signedBy(old))
		secrettest.Flip(t, store, sessionKey, 2*time.Hour)
		time.Sleep(time.Minute)
		require.Equal(t, "v1", signedBy(old))
		require.Equal(t, "v2", signedBy(newCookie()))
		time.Sleep(2 * time.Hour)
		require.Equal(t, errLogin.Error(), signedBy(old))

		cookie := newCookie()
		for i := range len(cookie) {
			bent := []byte(cookie)
			bent[i] ^= 1
			require.NotEqual(t, "v2", signedBy(string(bent)), "a bent cookie passes")
		}
		time.Sleep(cookieLife)
		require.Equal(t, errLogin.Error(), signedBy(cookie))
	})
}

func TestServerAnswersWithoutAKey(t *testing.T) {
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
