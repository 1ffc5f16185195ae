// Package statushttp serves an App's status over HTTP, as JSON and as a page for
// a browser, and publishes it among a program's expvars. It is a separate package
// because a Worker that reads secrets does not need net/http, which would double
// its size.
package statushttp

import (
	"encoding/json"
	"errors"
	"expvar"
	"net/http"
	"strconv"
	"sync"

	"github.com/layeron-hq/secret"
)

// Handler answers GET and HEAD with app's [secret.Status]: ids, times and
// errors, never a value. A browser, or another client whose Accept prefers
// text/html, gets a page that draws the lives of the versions. It needs no
// script and loads nothing else. Every other client gets JSON. The status code
// is 200, or 503 if a secret needs a person (Status.OK is false), so that a health
// check can watch it. Protect the handler like the program's other internal
// pages.
//
// Use it to alert a person. A load balancer that removes a replica on 503 would
// remove all replicas, because they read one store; [Ready] suits it.
func Handler(app *secret.App) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(w, r) {
			return
		}
		w.Header().Set("Vary", "Accept")
		status := app.Status()
		if prefersHTML(r.Header) {
			writePage(w, status)
			return
		}
		body, err := json.MarshalIndent(status, "", "  ")
		if err != nil {
			http.Error(w, "the status cannot be written as JSON", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		writeStatus(w, status, append(body, '\n'))
	})
}

// reads refuses a request with another method than GET and HEAD.
func reads(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
	return false
}

func writeStatus(w http.ResponseWriter, status secret.Status, body []byte) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if !status.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(body)
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
