package recipes

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

// rotation is a running App with one secret, whose steps a test takes by hand.
type rotation struct {
	t      *testing.T
	secret *secret.Secret
	store  *secret.Memory
	app    *secret.App
}

// start starts an App in which s has one version, v1. The App reads its store
// in refresh alone.
func start(t *testing.T, s *secret.Secret, text string) *rotation {
	t.Helper()
	store := secrettest.Set(t, s, text)
	app := secret.NewApp(secret.AppOptions{Refresh: -1, Logger: slog.New(slog.DiscardHandler)}).Use(s)
	require.NoError(t, app.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	return &rotation{t, s, store, app}
}

// announce publishes a new version that is not yet current.
func (r *rotation) announce(text string) {
	r.t.Helper()
	secrettest.Announce(r.t, r.store, r.secret, text, time.Now().Add(time.Hour))
	r.refresh()
}

// flip makes the announced version current. The old one expires after an hour.
func (r *rotation) flip() {
	r.t.Helper()
	secrettest.Flip(r.t, r.store, r.secret, time.Hour)
	r.refresh()
}

// set makes text current at once, as layer secret set does for a static secret.
func (r *rotation) set(text string) {
	r.t.Helper()
	secrettest.Announce(r.t, r.store, r.secret, text, time.Now())
	r.flip()
}

func (r *rotation) refresh() {
	r.t.Helper()
	require.NoError(r.t, r.app.Refresh(r.t.Context()))
}

// key returns the stored text of a random secret of 32 bytes.
func key(b string) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(b, 32))) }

// respond is a server without a network.
type respond http.HandlerFunc

func (f respond) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f(w, r)
	return w.Result(), nil
}
