package recipes

import (
	"net/http"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/statushttp"
)

// recipe: ready

func serveStatus(mux *http.ServeMux, app *secret.App) {
	mux.Handle("/readyz", statushttp.Ready(app))             // for the readiness probe
	mux.Handle("/internal/secrets", statushttp.Handler(app)) // for people and alerts
}

// end
