package statushttp

import (
	"fmt"
	"io"
	"net/http"

	"github.com/layeron-hq/secret"
)

// Ready answers GET and HEAD with 503 if reads of a secret fail: before Start,
// when [secret.AppOptions].MaxStale has passed, or if [secret.NewApp] did not
// make app. Otherwise it answers with 200. A store out of reach, a fault in a
// newly stored text and a warning change nothing: reads return the last good
// document, or the one from [secret.AppOptions].Cache. An optional secret that is
// not set is no failure. The body is one line without names.
//
// It suits a readiness probe: a replica that cannot read gets no requests. It
// does not suit a liveness probe: a restart does not bring the store back.
func Ready(app *secret.App) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(w, r) {
			return
		}
		status := app.Status()
		failing := 0
		for _, s := range status.Secrets {
			if s.Failing {
				failing++
			}
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case !status.OK && len(status.Secrets) == 0:
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "no App\n")
		case failing > 0:
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = fmt.Fprintf(w, "reads fail for %d of %d secrets\n", failing, len(status.Secrets))
		default:
			_, _ = io.WriteString(w, "ready\n")
		}
	})
}
