package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/layeron-hq/secret/driver"
)

// This file changes the object so that no change of another client is lost: a
// patch applies only to the version of the object that it was made for. Each
// change of any part of the object, a label too, makes another version, so a
// refused patch is made again from the present object. The values are then
// compared with those of the last Inspect, for which the caller decided.

// A busy client may change the object all the time. A request must not leave
// long after it was recorded, so the attempts end early.
const (
	maxAttempts = 200
	attempting  = 10 * time.Second
	maxPause    = 20 * time.Millisecond // so that two clients do not alternate for ever
)

// update sends the patch that change returns for the present object, and returns
// the result. A patch of no value is not sent. change is called again if
// another client has changed the object in the meantime.
func (p *Publisher) update(ctx context.Context, change func(object) (patch, error)) (object, error) {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		found, err := p.get(ctx)
		if err != nil {
			return found, driver.NotApplied(err)
		}
		what, err := change(found)
		switch {
		case err != nil:
			return found, driver.NotApplied(err)
		case len(what.Data) == 0:
			return found, nil
		}
		r := p.creation(what, false)
		if found.exists() {
			what.Metadata.Version = found.Metadata.Version
			r = request{method: http.MethodPatch, path: "/" + p.object.Name, send: &what}
		}
		stored, err := p.do(ctx, r)
		overtaken := is(err, http.StatusConflict) || found.exists() && is(err, http.StatusNotFound)
		switch {
		case !overtaken:
			return stored, err
		case attempt == maxAttempts || time.Since(began) > attempting:
			// The command prints no value.
			return stored, fmt.Errorf("another client changed the object during each of %d attempts: stop it, and run again. "+
				"`kubectl -n %s get secret %s -o jsonpath='{.metadata.managedFields[*].manager}'` lists the clients: %w",
				attempt, p.object.Namespace, p.object.Name, err)
		}
		if err := p.pause(ctx, rand.N(maxPause)); err != nil {
			return stored, driver.NotApplied(err)
		}
	}
}

// creation returns the request that creates the object with these values.
func (p *Publisher) creation(content patch, dry bool) request {
	content.Type = "Opaque"
	content.Metadata.Name, content.Metadata.Namespace = p.object.Name, p.object.Namespace
	return request{method: http.MethodPost, dry: dry, send: &content}
}

// seen is the object at the last Inspect, with this Publisher's own changes
// since.
type seen struct {
	mu     sync.Mutex
	uid    string
	values map[string]*driver.Published // nil: the object had no such value
}

// look keeps the object for a new inspection.
func (s *seen) look(o object, names []string) {
	s.mu.Lock()
	s.uid = o.Metadata.UID
	s.mu.Unlock()
	s.note(o, names)
}

// note keeps the values with these names.
func (s *seen) note(o object, names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string]*driver.Published{}
	}
	for _, name := range names {
		s.values[name] = nil
		if value, ok := o.value(name); ok {
			s.values[name] = &value
		}
	}
}

// replaced returns an error if the object is another one than at the last
// Inspect.
func (s *seen) replaced(o object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uid != "" && s.uid != o.Metadata.UID {
		return errors.New("the object was deleted after this run had read it: run again")
	}
	return nil
}

// changed returns an error if another client has changed a value since the last
// Inspect: the caller has not decided on that one. A value that the caller wants
// is no other one.
func (s *seen) changed(o object, name string, want *driver.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, looked := s.values[name]
	now, there := o.value(name)
	switch {
	case !looked, before == nil && !there, before != nil && there && *before == now:
		return nil
	case want != nil && there && now.Note == want.Note && string(o.Data[name]) == stored(want.Text.Reveal()):
		return nil
	}
	return fmt.Errorf("another client changed %s after this run had read it, and it stays as it is: run again", name)
}

// wait waits for d, or until the operator wants to stop.
func wait(ctx context.Context, d time.Duration) error {
	for ; d > 0 && driver.Stopped(ctx) == nil; d -= time.Second {
		t := time.NewTimer(min(d, time.Second))
		select {
		case <-ctx.Done():
			t.Stop()
		case <-t.C:
		}
	}
	return driver.Stopped(ctx)
}
