package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
)

// demonstrate is a browser before a server, while an operator rotates the key
// in three steps.
func demonstrate(ctx context.Context, out io.Writer) error {
	store := secret.NewMemory(nil)
	v1 := secret.NewVersion("v1", newKey(), time.Time{}, time.Time{})
	if err := publish(store, "v1", v1); err != nil {
		return err
	}
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(sessionKey)
	if err := app.Start(ctx); err != nil {
		return err
	}
	defer app.Close()
	server := httptest.NewServer(handler(app))
	defer server.Close()
	browser := func() *http.Client {
		jar, _ := cookiejar.New(nil) // it fails for no options
		return &http.Client{Jar: jar}
	}

	ann := browser()
	fmt.Fprintln(out, "ann logs in:                    ", post(ann, server.URL+"/login", "ann"))
	fmt.Fprintln(out, "ann comes back:                 ", get(ann, server.URL))

	now := time.Now()
	v2 := secret.NewVersion("v2", newKey(), now.Add(time.Hour), time.Time{})
	if err := rotate(ctx, app, store, "v1", v1, v2); err != nil {
		return err
	}
	fmt.Fprintln(out, "v2 is announced:                ", get(ann, server.URL))

	v1.ExpiresAt, v2.ActiveFrom = now.Add(24*time.Hour), now
	if err := rotate(ctx, app, store, "v2", v1, v2); err != nil {
		return err
	}
	fmt.Fprintln(out, "v2 is current, v1 accepted:     ", get(ann, server.URL))
	bob := browser()
	post(bob, server.URL+"/login", "bob")
	fmt.Fprintln(out, "bob logs in now:                ", get(bob, server.URL))

	v1.ExpiresAt = now
	if err := rotate(ctx, app, store, "v2", v1, v2); err != nil {
		return err
	}
	fmt.Fprintln(out, "v1 has expired:                 ", get(ann, server.URL))
	fmt.Fprintln(out, "bob stays:                      ", get(bob, server.URL))
	return nil
}

// rotate publishes a document and has the App look at once; left alone it looks
// once a minute.
func rotate(ctx context.Context, app *secret.App, store *secret.Memory, current string,
	versions ...secret.Version) error {
	if err := publish(store, current, versions...); err != nil {
		return err
	}
	return app.Refresh(ctx)
}

func publish(store *secret.Memory, current string, versions ...secret.Version) error {
	doc, err := secret.NewDocument(current, versions...)
	if err != nil {
		return err
	}
	text, err := doc.Encode(secret.FormatJSON)
	if err != nil {
		return err
	}
	store.Set(sessionKey.Binding(), text)
	return nil
}

func newKey() string {
	key := make([]byte, 32)
	rand.Read(key)
	return base64.RawURLEncoding.EncodeToString(key)
}

func post(client *http.Client, to, user string) string {
	return answer(client.PostForm(to, url.Values{"user": {user}}))
}

func get(client *http.Client, from string) string { return answer(client.Get(from)) }

func answer(r *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(body))
}
