package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
)

// demonstrate runs the issuer and another service, which has only the key set,
// while an operator rotates the seed. Without a window no service keeps the key
// set, so the demonstration need not wait.
func demonstrate(ctx context.Context, out io.Writer) error {
	store := secret.NewMemory(nil)
	v1 := secret.NewVersion("v1", newSeed(), time.Time{}, time.Time{})
	if err := publish(store, "v1", v1); err != nil {
		return err
	}
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(tokenSeed)
	if err := app.Start(ctx); err != nil {
		return err
	}
	defer app.Close()
	issuing := httptest.NewServer(issuer{tokenSeed, 0}.handler())
	defer issuing.Close()
	keys := newRemote(issuing.URL+keySetPath, issuing.Client())
	service := httptest.NewServer(greet(keys.find))
	defer service.Close()
	show := func(step, user, token string) {
		greeting := get(service.URL, token)
		fmt.Fprintf(out, "%-28s %-42s keys: %s\n", step, user+": "+greeting, strings.Join(known(keys), ", "))
	}
	login := func(user string) string {
		return answer(http.PostForm(issuing.URL+"/token", url.Values{"user": {user}}))
	}

	ann := login("ann")
	show("ann logs in", "ann", ann)

	now := time.Now()
	v2 := secret.NewVersion("v2", newSeed(), now.Add(time.Hour), time.Time{})
	if err := rotate(ctx, app, store, "v1", v1, v2); err != nil {
		return err
	}
	show("v2 is announced", "ann", ann)

	v1.ExpiresAt, v2.ActiveFrom = now.Add(24*time.Hour), now
	if err := rotate(ctx, app, store, "v2", v1, v2); err != nil {
		return err
	}
	show("v2 is current, v1 accepted", "ann", ann)
	bob := login("bob")
	show("bob logs in", "bob", bob)

	if err := rotate(ctx, app, store, "v2", v2); err != nil {
		return err
	}
	show("v1 is pruned", "ann", ann)
	show("bob stays", "bob", bob)
	return nil
}

// rotate publishes a document and has the App look at once. By itself the App
// looks once a minute.
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
	store.Set(tokenSeed.Binding(), text)
	return nil
}

func newSeed() string {
	seed := make([]byte, 32)
	rand.Read(seed)
	return base64.RawURLEncoding.EncodeToString(seed)
}

// known returns the ids of the keys that the service has read.
func known(r *remote) (ids []string) {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	for id := range r.keys {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func get(from, token string) string {
	request, err := http.NewRequest(http.MethodGet, from, nil)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+token)
	return answer(http.DefaultClient.Do(request))
}

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
