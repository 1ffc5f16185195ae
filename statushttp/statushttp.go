// Package statushttp serves an App's status as JSON over HTTP, and publishes it
// among a program's expvars. It is a separate package because a Worker that
// reads secrets does not need net/http, which would double its size.
package statushttp

import (
	"encoding/json"
	"errors"
	"expvar"
	"net/http"
	"sync"

	"github.com/layeron-hq/secret"
)

// Handler answers GET and HEAD with app's [secret.Status] as JSON: ids, times
// and errors, never a value. The status code is 200, or 503 if a secret needs a
// person (Status.OK is false), so that a health check can watch it. Protect the
// handler like the program's other internal pages.
//
// Use it to alert a person. A load balancer that removes a replica on 503 would
// remove all replicas, because they read one store.
func Handler(app *secret.App) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
			return
		}
		status := app.Status()
		body, err := json.MarshalIndent(status, "", "  ")
		if err != nil {
			http.Error(w, "the status cannot be written as JSON", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if !status.OK {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(append(body, '\n'))
	})
}

var publishing sync.Mutex // expvar itself ends the program if a name is published twice

// Publish adds app's status to the program's expvars under name. If the name is
// taken, it returns an error and changes nothing.
func Publish(name string, app *secret.App) error {
	publishing.Lock()
	defer publishing.Unlock()
	if expvar.Get(name) != nil {
		return errors.New("statushttp: the expvar name is taken; choose another one")
	}
	expvar.Publish(name, expvar.Func(func() any { return app.Status() }))
	return nil
}
