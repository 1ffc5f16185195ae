//go:build js

// Worker is a Cloudflare Worker in Go that signs sessions and opens sealed
// records, while their keys rotate. README.md says how to run it.
package main

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
	"github.com/layeron-hq/secret/workers"
)

var (
	// sessionKey signs the cookies.
	sessionKey = secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 32})
	// recordKey is kept for ever: sealed records must stay readable.
	recordKey = secret.Random(secret.Options{Namespace: "storage", Name: "encryption-key", Bytes: 32,
		Rotation: &secret.Rotation{EveryDays: 90, Retain: secret.Retention{Mode: secret.RetainForever}}})
)

// main answers one request: worker.mjs starts an instance for each.
func main() {
	call := js.Global().Get("layeronRequest") // before anything that waits: the next request sets another
	store := workers.Bindings(call.Get("env"))
	w := worker{sessions: sessionKey.With(store), records: recordKey.With(store)}
	r := newRequest(call.Get("request"))
	status, body := w.answer(context.Background(), r, time.Now())
	call.Call("resolve", js.Global().Get("Response").New(body, map[string]any{"status": status}))
}

// worker has the keys of the Worker that it runs in.
type worker struct{ sessions, records *secret.Secret }

// answer serves
//
//	GET /session/new?user=ann      a session for ann
//	GET /session?token=…           whose it is, and which version of the key signed it
//	GET /record/new?text=…         the text, sealed, and when that was
//	GET /record?at=…&sealed=…      a record that is kept with no more than its time
func (w worker) answer(ctx context.Context, r request, now time.Time) (status int, body string) {
	var err error
	switch r.path {
	case "/session/new":
		body, err = issue(w.sessions, r.query("user"), now)
	case "/session":
		body, err = check(ctx, w.sessions, r.query("token"))
	case "/record/new":
		body, err = seal(ctx, w.records, r.query("text"), now)
	case "/record":
		body, err = open(ctx, w.records, r.query("at"), r.query("sealed"))
	default:
		return 404, "there is /session/new, /session, /record/new and /record\n"
	}
	switch {
	case err == nil:
		return 200, body + "\n"
	case errors.Is(err, keyring.ErrInvalidToken):
		return 401, "log in first\n"
	case errors.Is(err, errOpen):
		return 400, err.Error() + "\n"
	}
	// it describes the fault of a key without its value: for the log, not for the
	// client
	fmt.Println(err)
	return 503, "try again later\n"
}

// request holds the inputs of the routes.
type request struct {
	path   string
	params js.Value
}

func newRequest(r js.Value) request {
	url := js.Global().Get("URL").New(r.Get("url"))
	return request{path: url.Get("pathname").String(), params: url.Get("searchParams")}
}

func (r request) query(name string) string {
	if v := r.params.Call("get", name); !v.IsNull() {
		return v.String()
	}
	return ""
}
