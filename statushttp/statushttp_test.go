package statushttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/statushttp"
)

const value = "sk_live_of-33-bytes"

func started(t *testing.T) (*secret.App, *secret.Memory) {
	t.Helper()
	m := secret.NewMemory(map[string]string{"$SECRET.billing.stripe": "current=v1;v1=" + value})
	app := secret.NewApp(secret.AppOptions{Store: m, Refresh: -1, Logger: slog.New(slog.DiscardHandler)}).
		Use(secret.Static(secret.Options{Namespace: "billing", Name: "stripe"}))
	require.NoError(t, app.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	return app, m
}

// TestHandlerServesTheStatus asks a real server, which drops the body of an
// answer to HEAD as servers do.
func TestHandlerServesTheStatus(t *testing.T) {
	app, m := started(t)
	server := httptest.NewServer(statushttp.Handler(app))
	defer server.Close()
	well := func() { m.Set("$SECRET.billing.stripe", "current=v1;v1="+value) }
	gone := func() { m.Delete("$SECRET.billing.stripe") }
	unreachable := func() { m.Set("$SECRET.billing.stripe", "v"); m.Fail(errors.New("no route")) }

	for _, c := range []struct {
		name, method string
		store        func()
		code         int
		ok           bool
	}{
		{"well", http.MethodGet, well, 200, true},
		{"well, head", http.MethodHead, well, 200, true},
		{"gone", http.MethodGet, gone, 503, false},
		{"gone, head", http.MethodHead, gone, 503, false},
		{"well again", http.MethodGet, well, 200, true},
		{"just out of reach", http.MethodGet, unreachable, 200, true},
		{"post", http.MethodPost, well, 405, false},
		{"put", http.MethodPut, well, 405, false},
		{"delete", http.MethodDelete, well, 405, false},
		{"options", http.MethodOptions, well, 405, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.store()
			refreshed := app.Refresh(t.Context())
			request, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+"/any/path?q=1", nil)
			require.NoError(t, err)
			response, err := server.Client().Do(request)
			require.NoError(t, err)
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, c.code, response.StatusCode)
			require.NotContains(t, string(body), value)
			if c.code == http.StatusMethodNotAllowed {
				require.Equal(t, "GET, HEAD", response.Header.Get("Allow"))
				require.Equal(t, "only GET and HEAD are answered here\n", string(body))
				return
			}
			require.Equal(t, "application/json; charset=utf-8", response.Header.Get("Content-Type"))
			require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
			if c.method == http.MethodHead {
				require.Empty(t, body)
				length, err := strconv.Atoi(response.Header.Get("Content-Length"))
				require.NoError(t, err)
				require.Greater(t, length, 100, "the length that GET has")
				return
			}
			require.Equal(t, byte('\n'), body[len(body)-1])
			var got secret.Status
			require.NoError(t, json.Unmarshal(body, &got))
			want := app.Status()
			require.WithinDuration(t, want.Time, got.Time, 60e9)
			got.Time = want.Time
			require.Equal(t, want, got)
			require.Equal(t, c.ok, got.OK)
			require.Equal(t, refreshed != nil, got.Secrets[0].LastError != "")
		})
	}
}

// TestHandlerBeforeStart: nothing can be read yet, which a readiness check
// should see.
func TestHandlerBeforeStart(t *testing.T) {
	app := secret.NewApp(secret.AppOptions{}).Use(secret.Static(secret.Options{Name: "key"}))
	recorder := httptest.NewRecorder()
	statushttp.Handler(app).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusServiceUnavailable, recorder.Code)
}

// names are published for the life of the process: a test that runs again needs
// others.
var names atomic.Int64

func name() string { return "secrets-" + strconv.FormatInt(names.Add(1), 10) }

// TestPublishedVariableIsTheStatus: the variable shows the status of the
// moment, not that of the call.
func TestPublishedVariableIsTheStatus(t *testing.T) {
	app, m := started(t)
	at := name()
	require.NoError(t, statushttp.Publish(at, app))
	for _, ok := range []bool{true, false} {
		if !ok {
			m.Delete("$SECRET.billing.stripe")
			require.Error(t, app.Refresh(t.Context()))
		}
		text := expvar.Get(at).String()
		require.NotContains(t, text, value)
		var got secret.Status
		require.NoError(t, json.Unmarshal([]byte(text), &got))
		require.Equal(t, ok, got.OK)
		require.Equal(t, app.Status().Secrets, got.Secrets)
	}
}

// TestPublishTaken: expvar would end the program.
func TestPublishTaken(t *testing.T) {
	app, _ := started(t)
	other := secret.NewApp(secret.AppOptions{})
	at := name()
	require.NoError(t, statushttp.Publish(at, app))
	require.ErrorContains(t, statushttp.Publish(at, other), "statushttp: the expvar name is taken")
	require.Contains(t, expvar.Get(at).String(), "$SECRET.billing.stripe", "the first one stays")
	require.Error(t, statushttp.Publish("memstats", app), "expvar's own")
	require.NotContains(t, expvar.Get("memstats").String(), "$SECRET")
}

// TestPublishAtOnce: of many that want one name at the same moment one gets it,
// and none panics.
func TestPublishAtOnce(t *testing.T) {
	app, _ := started(t)
	for range 1000 {
		at := name()
		var published atomic.Int64
		var all sync.WaitGroup
		begin := make(chan struct{})
		for range 8 {
			all.Go(func() {
				<-begin
				if statushttp.Publish(at, app) == nil {
					published.Add(1)
				}
			})
		}
		close(begin)
		all.Wait()
		require.EqualValues(t, 1, published.Load())
	}
}

func ExampleHandler() {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	store := secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "current=v2;v1=old;v2=new"})
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(stripe)
	if err := app.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer app.Close()

	mux := http.NewServeMux()
	mux.Handle("/internal/secrets", statushttp.Handler(app))

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/internal/secrets", nil))
	var status secret.Status
	if err := json.Unmarshal(answer.Body.Bytes(), &status); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Code, status.OK, status.Secrets[0].Address, status.Secrets[0].Current)
	// Output: 200 true $SECRET.billing.stripe-secret v2
}
