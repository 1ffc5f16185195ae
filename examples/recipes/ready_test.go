package recipes

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestReadyWhenStarted: a value that goes missing is for a person, and takes no
// replica out of service.
func TestReadyWhenStarted(t *testing.T) {
	key := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	store := secret.NewMemory(map[string]string{key.Address().String(): "current=v1;v1=old"})
	app := secret.NewApp(secret.AppOptions{Store: store, Refresh: -1, Logger: slog.New(slog.DiscardHandler)}).Use(key)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	mux := http.NewServeMux()
	serveStatus(mux, app)
	code := func(path string) int {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		return answer.Code
	}
	require.Equal(t, 503, code("/readyz"))
	require.NoError(t, app.Start(t.Context()))
	require.Equal(t, 200, code("/readyz"))
	store.Set(key.Address().String(), "current=v2;v1=old;v2=new")
	require.NoError(t, app.Refresh(t.Context()))
	require.Equal(t, 200, code("/internal/secrets"))
	store.Delete(key.Address().String())
	require.Error(t, app.Refresh(t.Context()))
	require.Equal(t, 200, code("/readyz"))
	require.Equal(t, 503, code("/internal/secrets"))
}
