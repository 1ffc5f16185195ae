// Package kubernetes publishes into one Secret object of Kubernetes: a Pod that
// mounts it reads the values with [secret.Dir], and one that has its keys as
// environment variables with [secret.Env].
package kubernetes

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// Publisher is a [driver.Publisher] for one Secret, and a [driver.Checker],
// [driver.Fitter], [driver.Lister], [driver.Namer], [driver.Placer], [driver.Recognizer] and
// [driver.Remover]. Each value is a key of the object, named like its binding,
// and its note is an annotation of the object. It creates the object if it is
// missing, and changes no other key, label, annotation or owner. It refuses an
// object that is immutable.
//
// Text and note are written in one request, all items of a call in one request
// where possible. Each request is sent once. Modified is the SHA-256 of the
// value, because the object's resourceVersion also changes with its labels. Do
// not show it: the digest of a value that can be guessed reveals the value. A
// text that ends with a newline gets one more, because secret.Dir drops one.
//
// A Publisher is safe for concurrent use. It holds a credential, and shows
// nothing but the names of its object under every format.
type Publisher struct {
	object     Object
	client     *http.Client
	collection string // the URL of the namespace's secrets
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
	found, exists, err := p.get(ctx)
	if err != nil || !exists {
		return "", p.named(err)
	}
	return found.Metadata.UID, nil
}

// Inspect implements [driver.Publisher]. It sends one request.
func (p *Publisher) Inspect(ctx context.Context, names []string) (map[string]driver.Published, error) {
	found, _, err := p.get(ctx)
	if err != nil {
		return nil, p.named(err)
	}
	published := map[string]driver.Published{}
	for _, name := range names {
		if value, ok := found.Data[name]; ok {
			published[name] = driver.Published{Note: found.Metadata.Annotations[annotation(name)], Modified: digest(value)}
		}
	}
	driver.Progress(ctx, len(names))
	return published, nil
}

// Versions implements [driver.Lister].
func (p *Publisher) Versions(ctx context.Context, name string) ([]string, error) {
	found, _, err := p.get(ctx)
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

// get returns the object, and whether it exists.
func (p *Publisher) get(ctx context.Context) (object, bool, error) {
	if ctx.Err() != nil {
		return object{}, false, context.Cause(ctx)
	}
	found, err := p.do(ctx, request{method: http.MethodGet, path: "/" + p.object.Name})
	if is(err, http.StatusNotFound) {
		return object{}, false, nil
	}
	return found, err == nil, err
}

// Check implements [driver.Checker]: the API server checks a request that
// changes nothing (dryRun), with its rules of access, its limits and its
// admission.
func (p *Publisher) Check(ctx context.Context, create []string) error {
	if len(create) == 0 {
		return context.Cause(ctx)
	}
	sizes := map[string]int{}
	for _, name := range create {
		if err := checkItem(driver.Item{Name: name, Text: driver.NewValue("0")}); err != nil {
			return p.named(err)
		}
		sizes[name] = 1
	}
	if err := p.fits(ctx, sizes); err != nil {
		return p.named(err)
	}
	// Without values: a policy may refuse an invented one.
	_, err := p.write(ctx, newPatch(), true)
	if undry(err) {
		return nil // the first write shows the rest
	}
	return p.named(err)
}

// Fits implements [driver.Fitter]. A size without the newline that a text may
// need counts as one with it.
func (p *Publisher) Fits(ctx context.Context, sizes map[string]int) error {
	larger := make(map[string]int, len(sizes))
	for name, size := range sizes {
		larger[name] = size + 1
	}
	return p.named(p.fits(ctx, larger))
}

// fits returns an error if the object refuses values of these sizes.
func (p *Publisher) fits(ctx context.Context, sizes map[string]int) error {
	found, _, err := p.get(ctx)
	switch {
	case err != nil:
		return err
	case found.Immutable:
		return fmt.Errorf("%w: it is immutable: delete it and run again, or choose another NAME", secret.ErrInvalid)
	case found.Metadata.Deletion != "":
		return fmt.Errorf("%w: it is being deleted: wait until it is gone, or remove its finalizers", secret.ErrInvalid)
	}
	return found.room(sizes)
}

// Publish implements [driver.Publisher]. All items are one request. If the
// server refuses the content of the request, each item gets a request
// of its own.
func (p *Publisher) Publish(ctx context.Context, items []driver.Item) []error {
	errs := make([]error, len(items))
	sizes := map[string]int{}
	var ready []int
	for i, item := range items {
		if err := checkItem(item); err != nil {
			errs[i] = driver.NotApplied(p.named(err))
			continue
		}
		sizes[item.Name] = len(stored(item.Text.Reveal()))
		ready = append(ready, i)
	}
	if len(ready) > 0 {
		if err := p.fits(ctx, sizes); err != nil {
			p.spread(errs, ready, driver.NotApplied(err))
		} else {
			p.publish(ctx, items, ready, errs)
		}
	}
	driver.Progress(ctx, len(items))
	return orNil(errs)
}

// publish sends the items with these indexes, and sets their errors.
func (p *Publisher) publish(ctx context.Context, items []driver.Item, ready []int, errs []error) {
	all := newPatch()
	for _, i := range ready {
		all.set(items[i])
	}
	found, err := p.write(ctx, all, false)
	if len(ready) > 1 && (is(err, http.StatusUnprocessableEntity) || is(err, http.StatusBadRequest) || denied(err)) {
		for _, i := range ready {
			p.publish(ctx, items, []int{i}, errs)
		}
		return
	}
	if err != nil {
		p.spread(errs, ready, err)
		return
	}
	for _, i := range ready {
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
	gone := newPatch()
	var ready []int
	for i, name := range names {
		if !key().MatchString(name) {
			errs[i] = driver.NotApplied(p.named(checkItem(driver.Item{Name: name})))
			continue
		}
		gone.remove(name)
		ready = append(ready, i)
	}
	found, exists, err := p.get(ctx)
	switch {
	case err != nil:
		p.spread(errs, ready, driver.NotApplied(err))
	case exists && len(ready) > 0:
		for name := range gone.Data {
			if _, there := found.Data[name]; !there {
				delete(gone.Data, name)
			}
		}
		if _, err := p.do(ctx, request{method: http.MethodPatch, path: "/" + p.object.Name, send: &gone}); err != nil &&
			!is(err, http.StatusNotFound) {
			p.spread(errs, ready, err)
		}
	}
	driver.Progress(ctx, len(names))
	return orNil(errs)
}

// write patches the object, or creates it if it is missing. Another writer may
// create it first: then it is patched after all.
func (p *Publisher) write(ctx context.Context, what patch, dry bool) (object, error) {
	change := request{method: http.MethodPatch, path: "/" + p.object.Name, dry: dry, send: &what}
	found, err := p.do(ctx, change)
	if !is(err, http.StatusNotFound) {
		return found, err
	}
	fresh := what
	fresh.Type = "Opaque"
	fresh.Metadata.Name, fresh.Metadata.Namespace = p.object.Name, p.object.Namespace
	found, err = p.do(ctx, request{method: http.MethodPost, dry: dry, send: &fresh})
	if !is(err, http.StatusConflict) {
		return found, err
	}
	return p.do(ctx, change)
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
