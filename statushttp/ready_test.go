package statushttp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/statushttp"
)

func answerOf(h http.Handler, method string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(method, "/readyz", nil))
	return answer
}

// TestReadyOnlyWhileReadsSucceed follows an App through its life. At each step
// a read and the answer agree.
func TestReadyOnlyWhileReadsSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := secret.NewMemory(map[string]string{"$SECRET.billing.stripe": value, "$SECRET.auth.key": value})
		stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe"})
		key := secret.Static(secret.Options{Namespace: "auth", Name: "key"})
		app := secret.NewApp(secret.AppOptions{Store: m, Refresh: time.Minute, MaxStale: time.Hour,
			Logger: slog.New(slog.DiscardHandler)}).Use(stripe, key)
		ready := statushttp.Ready(app)
		require503 := func(body string) {
			t.Helper()
			got := answerOf(ready, http.MethodGet)
			require.Equal(t, http.StatusServiceUnavailable, got.Code)
			require.Equal(t, body, got.Body.String())
		}
		require200 := func() {
			t.Helper()
			_, err := stripe.Current().Text()
			require.NoError(t, err)
			got := answerOf(ready, http.MethodGet)
			require.Equal(t, http.StatusOK, got.Code)
			require.Equal(t, "ready\n", got.Body.String())
		}
		require503("reads fail for 2 of 2 secrets\n") // before Start
		require.NoError(t, app.Start(t.Context()))
		require200()

		m.Fail(errors.New("no route to host"))
		time.Sleep(50 * time.Minute)
		require.NotEmpty(t, app.Status().Secrets[0].LastError)
		require200() // stale, within MaxStale
		time.Sleep(20 * time.Minute)
		_, err := stripe.Current().Text()
		require.Error(t, err)
		require503("reads fail for 2 of 2 secrets\n")

		m.Fail(nil)
		time.Sleep(15 * time.Minute)
		require200()
		m.Set("$SECRET.billing.stripe", "current=v1;v1=")
		time.Sleep(15 * time.Minute)
		require.False(t, app.Status().OK, "a person must look at it")
		require200() // the last good document
		require.NoError(t, app.Close())
		require200() // reads return the last documents
	})
}

// TestReadyIsTiny: the answer may be public, and probes are frequent.
func TestReadyIsTiny(t *testing.T) {
	app, _ := started(t)
	unstarted := secret.NewApp(secret.AppOptions{}).Use(secret.Static(secret.Options{Name: "key"}))
	for _, c := range []struct {
		app    *secret.App
		method string
		code   int
	}{
		{app, http.MethodGet, 200}, {app, http.MethodHead, 200}, {unstarted, http.MethodGet, 503},
		{unstarted, http.MethodHead, 503}, {app, http.MethodPost, 405}, {app, http.MethodDelete, 405},
		{secret.NewApp(secret.AppOptions{}), http.MethodGet, 200}, // no read can fail
	} {
		got := answerOf(statushttp.Ready(c.app), c.method)
		require.Equal(t, c.code, got.Code)
		require.Equal(t, "text/plain; charset=utf-8", got.Header().Get("Content-Type"))
		require.Equal(t, "nosniff", got.Header().Get("X-Content-Type-Options"))
		if c.code == http.StatusMethodNotAllowed {
			require.Equal(t, "GET, HEAD", got.Header().Get("Allow"))
			continue
		}
		require.Equal(t, "no-store", got.Header().Get("Cache-Control"))
		require.Less(t, got.Body.Len(), 60)
		require.NotContains(t, got.Body.String(), "SECRET")
	}
}

// TestNotReadyWithoutAnApp: a program that forgot NewApp reads nothing. An App
// without secrets has no read that can fail.
func TestNotReadyWithoutAnApp(t *testing.T) {
	for _, app := range []*secret.App{nil, new(secret.App)} {
		got := answerOf(statushttp.Ready(app), http.MethodGet)
		require.Equal(t, http.StatusServiceUnavailable, got.Code)
		require.Equal(t, "no App\n", got.Body.String())
	}
	require.Equal(t, http.StatusOK, answerOf(statushttp.Ready(secret.NewApp(secret.AppOptions{})), http.MethodGet).Code)
}

func ExampleReady() {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	store := secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "sk_live_4242"})
	app := secret.NewApp(secret.AppOptions{Store: store, MaxStale: 24 * time.Hour}).Use(stripe)
	defer app.Close()

	mux := http.NewServeMux()
	mux.Handle("/readyz", statushttp.Ready(app))
	probe := func() {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		fmt.Print(answer.Code, " ", answer.Body)
	}

	probe()
	if err := app.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	probe()
	// Output:
	// 503 reads fail for 1 of 1 secrets
	// 200 ready
}

// cacheOf is a Cache in memory.
type cacheOf map[secret.Address]string

func (c cacheOf) Get(_ context.Context, addr secret.Address) (string, error) {
	if entry, found := c[addr]; found {
		return entry, nil
	}
	return "", secret.ErrNotFound
}

func (c cacheOf) Put(_ context.Context, addr secret.Address, text string) error {
	c[addr] = text
	return nil
}

// TestReadyWithAnOptionalSecretThatIsNotSet, when the store says so and when
// only the cache does.
func TestReadyWithAnOptionalSecretThatIsNotSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, cache := secret.NewMemory(nil), cacheOf{}
		start := func() *secret.App {
			optional := secret.Static(secret.Options{Namespace: "billing", Name: "webhook", Optional: true})
			app := secret.NewApp(secret.AppOptions{Store: m, MaxStale: time.Hour, Cache: cache,
				Logger: slog.New(slog.DiscardHandler)}).Use(optional)
			require.NoError(t, app.Start(t.Context()))
			_, err := optional.Current().Text()
			require.ErrorIs(t, err, secret.ErrNotFound)
			require.Equal(t, http.StatusOK, answerOf(statushttp.Ready(app), http.MethodGet).Code)
			return app
		}
		app := start()
		require.Zero(t, app.Status().Secrets[0].CachedAt)
		require.NoError(t, app.Close())

		m.Fail(errors.New("no route to host"))
		app = start()
		require.NotZero(t, app.Status().Secrets[0].CachedAt)
		time.Sleep(2 * time.Hour) // MaxStale has passed: is it still not set?
		require.Equal(t, http.StatusServiceUnavailable, answerOf(statushttp.Ready(app), http.MethodGet).Code)
		require.NoError(t, app.Close())
	})
}
