package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/layeron-hq/secret/keyring"
)

const keySetPath = "/.well-known/jwks.json"

// handler serves POST /token?user=NAME, which issues a token, GET /, which
// verifies one, and the key set. A real program checks a password first.
func (i issuer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", i.serveToken)
	mux.HandleFunc("GET "+keySetPath, i.serveKeySet)
	mux.Handle("GET /{$}", greet(i.find))
	return mux
}

func (i issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	user := r.FormValue("user")
	if user == "" || len(user) > 200 {
		http.Error(w, "the form needs a user of at most 200 bytes", http.StatusBadRequest)
		return
	}
	token, err := i.issue(r.Context(), user)
	if err != nil {
		unavailable(w, "no token can be signed", err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintln(w, token)
}

func (i issuer) serveKeySet(w http.ResponseWriter, r *http.Request) {
	doc, err := i.seed.Load(r.Context())
	if err != nil {
		unavailable(w, "the keys cannot be read", err)
		return
	}
	now := time.Now()
	versions := doc.Active(now) // announced versions too: verifiers need them before the first signature
	set, err := keySetOf(versions)
	if err != nil {
		unavailable(w, "the keys cannot be decoded", err)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", cacheControl(freshFor(i.window, versions, now)))
	json.NewEncoder(w).Encode(set)
}

// greet serves the owners of tokens whose keys find returns: the issuer's own,
// or those of a key set in another service.
func greet(find lookup) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		c, kid, err := verify(r.Context(), token, find)
		switch {
		case errors.Is(err, keyring.ErrInvalidToken):
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "log in first", http.StatusUnauthorized)
		case err != nil:
			unavailable(w, "a token cannot be judged", err)
		default:
			fmt.Fprintf(w, "hello %s, your token was signed by %s\n", c.Subject, kid)
		}
	})
}

// unavailable logs a fault that is not the client's. The error holds no value,
// but the client does not get it.
func unavailable(w http.ResponseWriter, what string, err error) {
	slog.Error(what, "error", err)
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "try again later", http.StatusServiceUnavailable)
}
