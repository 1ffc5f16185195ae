// Package kubernetes publishes into one Secret object of Kubernetes: a Pod that
// mounts it reads the values with [secret.Dir], and one that has its keys as
// environment variables with [secret.Env].
package kubernetes

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// Publisher is a [driver.Publisher] for one Secret, and a [driver.Checker],
// [driver.Fitter], [driver.Lister], [driver.Namer], [driver.Placer],
// [driver.Recognizer] and [driver.Remover]. Each value is a key of the object,
// named like its binding, and its note is an annotation of the object. It creates
// the object if it is missing, and changes no other key, label, annotation or
// owner. It refuses an object that is immutable.
//
// Text and note are written in one request, all items of a call in one request
// where possible. A request is sent again only if the API server has refused it,
// because another client had changed the object, or because the server has too
// many requests. A value that another client has changed since the last Inspect
// is not replaced. Modified is the SHA-256 of the value, because the object's
// resourceVersion also changes with its labels. Do not show it: the digest of a
// value that can be guessed reveals the value. A text that ends with a newline
// gets one more, because secret.Dir drops one.
//
// A Publisher is safe for concurrent use. It holds a credential, and shows
// nothing but the names of its object under every format.
type Publisher struct {
	object     Object
	client     *http.Client
	collection string // the URL of the namespace's secrets
	seen       seen
	pause      func(context.Context, time.Duration) error // see wait
}

// NameOf implements [driver.Namer]: it returns the binding.
func (p *Publisher) NameOf(names driver.Names) string { return names.Binding }

// ModifiedOf implements [driver.Recognizer].
func (p *Publisher) ModifiedOf(text driver.Value) string {
	return digest([]byte(stored(text.Reveal())))
}

// Place implements [driver.Placer]: it returns the UID of the object, which no
// object of another cluster has, and none that replaces it under the same name.
func (p *Publisher) Place(ctx context.Context) (string, error) {
	found, err := p.get(ctx)
	return found.Metadata.UID, p.named(err)
}

// Inspect implements [driver.Publisher]. It sends one request.
func (p *Publisher) Inspect(ctx context.Context, names []string) (map[string]driver.Published, error) {
	found, err := p.get(ctx)
	if err != nil {
		return nil, p.named(err)
	}
	p.seen.look(found, names)
	published := map[string]driver.Published{}
	for _, name := range names {
		if value, ok := found.value(name); ok {
			published[name] = value
		}
	}
	driver.Progress(ctx, len(names))
	return published, nil
}

// Versions implements [driver.Lister].
func (p *Publisher) Versions(ctx context.Context, name string) ([]string, error) {
	found, err := p.get(ctx)
	if err != nil {
		return nil, p.named(err)
	}
	doc, err := secret.Parse(text(found.Data[name]))
	if err != nil {
		return nil, nil // no text, or no valid document: it has no versions
	}
	var ids []string
	for v := range doc.All() {
		ids = append(ids, v.ID)
	}
	return ids, nil
}

// get returns the object, and the zero object if it does not exist.
func (p *Publisher) get(ctx context.Context) (object, error) {
	if ctx.Err() != nil {
		return object{}, context.Cause(ctx)
	}
	found, err := p.do(ctx, request{method: http.MethodGet, path: "/" + p.object.Name})
	if is(err, http.StatusNotFound) {
		return object{}, nil
	}
	return found, err
}

// Check implements [driver.Checker]: the API server checks a request that
// changes nothing (dryRun), with its rules of access and its admission. Fits
// checks the limits.
func (p *Publisher) Check(ctx context.Context, create []string) error {
	if len(create) == 0 {
		return context.Cause(ctx)
	}
	for _, name := range create {
		if err := checkItem(driver.Item{Name: name, Text: driver.NewValue("0")}); err != nil {
			return p.named(err)
		}
	}
	found, err := p.get(ctx)
	if err == nil {
		err = found.changeable()
	}
	if err != nil {
		return p.named(err)
	}
	// Without values: a policy may refuse an invented one. A patch comes first also
	// if there is no object, because the rights to both are needed.
	what := newPatch()
	_, err = p.do(ctx, request{method: http.MethodPatch, path: "/" + p.object.Name, dry: true, send: &what})
	if is(err, http.StatusNotFound) {
		_, err = p.do(ctx, p.creation(what, true))
	}
	if undry(err) || is(err, http.StatusConflict) { // another client has just created it
		return nil // the first write shows the rest
	}
	return p.named(err)
}

// Fits implements [driver.Fitter]. A size without the newline that a text may
// need counts as one with it.
func (p *Publisher) Fits(ctx context.Context, sizes map[string]int) error {
	found, err := p.get(ctx)
	if err == nil {
		err = found.changeable()
	}
	if err != nil {
		return p.named(err)
	}
	want := make(map[string]wanted, len(sizes))
	for name, size := range sizes {
		want[name] = wanted{value: size + 1}
	}
	without := driver.NoRoom{}
	for name, err := range found.unfit(want) {
		without[name] = p.named(err)
	}
	if len(without) > 0 {
		return without
	}
	return nil
}

// Publish implements [driver.Publisher]. All items are one request. If the
// server refuses the content of the request, each item gets a request of its own.
func (p *Publisher) Publish(ctx context.Context, items []driver.Item) []error {
	errs := make([]error, len(items))
	var ready []int
	for i, item := range items {
		if err := checkItem(item); err != nil {
			errs[i] = driver.NotApplied(p.named(err))
			continue
		}
		ready = append(ready, i)
	}
	if len(ready) > 0 {
		p.publish(ctx, items, ready, errs)
	}
	driver.Progress(ctx, len(items))
	return orNil(errs)
}

// publish sends the items with these indexes, and sets their errors.
func (p *Publisher) publish(ctx context.Context, items []driver.Item, ready []int, errs []error) {
	sent := ready // an error before anything is decided concerns every item
	var all patch
	var names []string
	found, err := p.update(ctx, func(o object) (patch, error) {
		all, names, sent = newPatch(), nil, ready
		if err := o.changeable(); err != nil {
			return all, err
		}
		if err := p.seen.replaced(o); err != nil {
			return all, err
		}
		want := map[string]wanted{}
		for _, i := range ready {
			want[items[i].Name] = wanted{len(stored(items[i].Text.Reveal())), len(items[i].Note)}
		}
		sent = slices.Clone(ready)
		slices.SortStableFunc(sent, func(a, b int) int { // those that make room come first
			return o.growth(items[a].Name, want[items[a].Name]).values - o.growth(items[b].Name, want[items[b].Name]).values
		})
		for _, i := range ready {
			if errs[i] = p.seen.changed(o, items[i].Name, &items[i]); errs[i] != nil {
				delete(want, items[i].Name)
			}
		}
		without := o.unfit(want)
		sent = slices.DeleteFunc(sent, func(i int) bool {
			if reason := without[items[i].Name]; errs[i] == nil && reason != nil {
				errs[i] = reason
			}
			if errs[i] != nil {
				errs[i] = driver.NotApplied(p.named(errs[i]))
			}
			return errs[i] != nil
		})
		for _, i := range sent {
			all.set(items[i])
			names = append(names, items[i].Name)
		}
		return all, nil
	})
	if len(sent) > 1 && refusesContent(err) {
		for _, i := range sent {
			if err := driver.Stopped(ctx); err != nil {
				errs[i] = driver.NotApplied(p.named(err))
				continue
			}
			p.publish(ctx, items, []int{i}, errs)
		}
		return
	}
	if err != nil {
		p.spread(errs, sent, err)
		return
	}
	p.seen.note(found, names)
	for _, i := range sent {
		name := items[i].Name
		if string(found.Data[name]) != string(all.Data[name]) ||
			found.Metadata.Annotations[annotation(name)] != items[i].Note {
			errs[i] = fmt.Errorf("%s: %s: the cluster changed the value or its note while it stored them: an admission "+
				"webhook for secrets must leave this object unchanged", p.object, name)
		}
	}
}

// Remove implements [driver.Remover]. The object stays, also without a key.
func (p *Publisher) Remove(ctx context.Context, names []string) []error {
	errs := make([]error, len(names))
	var ready []int
	for i, name := range names {
		if !key().MatchString(name) {
			errs[i] = driver.NotApplied(p.named(checkItem(driver.Item{Name: name})))
			continue
		}
		ready = append(ready, i)
	}
	sent := ready
	var gone patch
	found, err := p.update(ctx, func(o object) (patch, error) {
		gone, sent = newPatch(), ready
		if !o.exists() {
			return gone, nil
		}
		if err := p.seen.replaced(o); err != nil {
			return gone, err
		}
		sent = nil
		for _, i := range ready {
			errs[i] = nil
			if _, there := o.Data[names[i]]; !there {
				continue
			}
			if err := p.seen.changed(o, names[i], nil); err != nil {
				errs[i] = driver.NotApplied(p.named(err))
				continue
			}
			gone.remove(names[i])
			sent = append(sent, i)
		}
		return gone, nil
	})
	if err != nil {
		p.spread(errs, sent, err)
	} else {
		p.seen.note(found, slices.Collect(maps.Keys(gone.Data)))
	}
	driver.Progress(ctx, len(names))
	return orNil(errs)
}

// spread sets err for the items with these indexes.
func (p *Publisher) spread(errs []error, of []int, err error) {
	for _, i := range of {
		errs[i] = p.named(err)
	}
}

// named returns err with the names of the object before it.
func (p *Publisher) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", p.object, err)
}

func orNil(errs []error) []error {
	if slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return errs
	}
	return nil
}

// String returns "kubernetes " and the names of the object.
func (p *Publisher) String() string { return "kubernetes " + p.object.String() }

// Format writes the result of String under every verb and flag.
func (p *Publisher) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// MarshalText returns the result of String, for encoding/json and log/slog.
func (p *Publisher) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
