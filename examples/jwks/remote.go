package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// pause is the least time between two requests for unknown keys, and after a
// failed request. Any client can make up ids.
const pause = 10 * time.Second

// remote finds keys in the key set of an issuer: the side of another service,
// which holds no secret. Many JWT libraries contain the same.
type remote struct {
	url    string
	client *http.Client
	turn   chan struct{} // holds a value while a caller uses the fields below

	keys       map[string]ed25519.PublicKey
	freshUntil time.Time
	asked      time.Time // the last request
	err        error     // of the last request
}

func newRemote(url string, client *http.Client) *remote {
	return &remote{url: url, client: client, turn: make(chan struct{}, 1)}
}

// find is a lookup.
func (r *remote) find(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	now := time.Now()
	fresh := now.Before(r.freshUntil)
	if fresh && r.keys[kid] != nil {
		return r.keys[kid], nil
	}
	if !fresh && r.err == nil || now.Sub(r.asked) >= pause {
		r.asked = now
		if r.err = r.fetch(ctx, fresh); r.err == nil {
			fresh = true // for this caller, even if no cache may keep the set
		}
	}
	switch {
	case fresh && r.keys[kid] != nil:
		return r.keys[kid], nil
	case r.err != nil:
		return nil, r.err
	}
	return nil, refused("the issuer has no such key")
}

// fetch gets the key set. If a caller leaves, the others need the set all the
// same. For an unknown key a cache between this service and the issuer must not
// answer with the set that is known already.
func (r *remote) fetch(ctx context.Context, pastCaches bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return err
	}
	if pastCaches {
		request.Header.Set("Cache-Control", "no-cache")
	}
	begun := time.Now()
	response, err := r.client.Do(request)
	if err != nil {
		return fmt.Errorf("the key set cannot be read: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("the key set cannot be read: " + response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("the key set cannot be read: %w", err)
	}
	keys, err := parseKeySet(text)
	if err != nil {
		return err
	}
	r.keys, r.freshUntil = keys, begun.Add(freshness(response.Header))
	return nil
}

// freshness returns for how long a response may be used. A cache between this
// service and the issuer says in Age for how long it had the response.
func freshness(h http.Header) time.Duration {
	seconds := 0
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		if digits, ok := strings.CutPrefix(strings.TrimSpace(directive), "max-age="); ok {
			seconds, _ = strconv.Atoi(digits)
		}
	}
	age, _ := strconv.Atoi(h.Get("Age"))
	return time.Duration(min(max(seconds-age, 0), 86_400)) * time.Second
}
