package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
	"github.com/layeron-hq/secret/statushttp"
)

const cookieName = "session"

// handler serves POST /login?user=NAME, which sets the cookie, GET /, which
// reads it, and GET /status.
func handler(app *secret.App) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		token, err := cookies.Sign([]byte(r.FormValue("user")), time.Now().Add(cookieLife))
		if errors.Is(err, secret.ErrTooLarge) {
			http.Error(w, "the name is too long", http.StatusBadRequest)
			return
		}
		if err != nil {
			unavailable(w, err)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: cookieName, Value: token, Path: "/", HttpOnly: true,
			SameSite: http.SameSiteLaxMode})
		fmt.Fprintln(w, "logged in")
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		token := ""
		if cookie, err := r.Cookie(cookieName); err == nil {
			token = cookie.Value
		}
		user, err := cookies.Verify(r.Context(), token)
		switch {
		case errors.Is(err, keyring.ErrInvalidToken):
			http.Error(w, "log in first", http.StatusUnauthorized)
		case err != nil:
			unavailable(w, err)
		default:
			fmt.Fprintf(w, "hello %s, your cookie was signed by %s\n", user, signedBy(token))
		}
	})
	mux.Handle("GET /status", statushttp.Handler(app))
	return mux
}

// unavailable logs the fault of the key. The error holds no value, but the
// client does not get it.
func unavailable(w http.ResponseWriter, err error) {
	slog.Error("no session key", "error", err)
	http.Error(w, "try again later", http.StatusServiceUnavailable)
}
