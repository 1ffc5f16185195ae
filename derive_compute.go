package secret

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// derivation is a Derived without its type parameter, so that a program links
// this code once.
type derivation struct {
	_       uncomparable
	secrets []*Secret
	call    func([]*Document) (any, error) // f; returns a pointer to the value
	err     error                          // of the arguments of Derive

	last atomic.Pointer[result] // reads return it without a lock while it holds

	mu     sync.Mutex
	flight *derivedFlight
	known  []loadOwner // those that know of this derivation, by the index of secrets

	// The call under way uses these fields without mu; calls run one at a time.
	good   *result // the last result without a fault
	logged string  // the last logged fault; empty: none, or f has succeeded since
	toldOf []any   // the Apps that have logged it
}

// result is the result of f for a set of documents. It never changes.
type result struct {
	_     uncomparable
	docs  []*Document
	from  []source
	until time.Time // when a version of docs starts or expires; zero: never
	value any       // a pointer to the value
	fault error     // of f for docs; with a value, that is the one for older documents
	err   error     // wraps fault if there is no value to return
}

// source is where a document of a result comes from. The zero source: no App
// holds the document. A last good value does not outlive its source.
type source struct {
	app   loadOwner // the App's secret that holds the document
	unset uint64    // how often an optional secret has lost its value by then
}

// derivedFlight is a call of f that several readers wait for.
type derivedFlight struct {
	done   chan struct{} // closed when result is set
	result *result
}

// get returns the result for the current documents, and its err.
func (c *derivation) get(ctx context.Context) (*result, error) {
	r := c.warm()
	if r == nil {
		if c.err != nil {
			return nil, c.err
		}
		docs, err := c.documents(ctx)
		if err != nil {
			return nil, err
		}
		if r, err = c.await(ctx, docs); err != nil {
			return nil, err
		}
	}
	return r, r.err
}

// warm returns the last result if all documents are in memory and it is the
// result for them; else nil.
func (c *derivation) warm() *result {
	r := c.last.Load()
	if r == nil {
		return nil
	}
	for i, s := range c.secrets {
		if s.live.Load() != r.docs[i] {
			return nil
		}
	}
	if !r.holds(time.Now) {
		return nil
	}
	return r
}

// holds reports whether no version has started or expired since f was called.
func (r *result) holds(now func() time.Time) bool { return r.until.IsZero() || now().Before(r.until) }

// documents returns the current documents, and loads those that no App holds.
func (c *derivation) documents(ctx context.Context) ([]*Document, error) {
	docs := make([]*Document, len(c.secrets))
	errs := make([]error, len(c.secrets))
	var loads []int
	for i, s := range c.secrets {
		if s.declared().live.Load() == nil {
			loads = append(loads, i)
			continue
		}
		docs[i], errs[i] = s.Load(ctx)
	}
	load := func(i int) { docs[i], errs[i] = c.secrets[i].Load(ctx) }
	if len(loads) == 1 {
		load(loads[0])
	} else {
		var all sync.WaitGroup
		for _, i := range loads {
			all.Go(func() {
				// In a goroutine of this package a panic would end the program.
				if crashed := guard(func() { load(i) }); crashed != nil {
					errs[i] = &Error{Op: "load", Address: c.secrets[i].Address(), Err: errors.New(crashed.why("the store"))}
				}
			})
		}
		all.Wait()
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return docs, nil
}

// await returns the result for docs, or for newer documents.
func (c *derivation) await(ctx context.Context, docs []*Document) (*result, error) {
	from := make([]source, len(docs))
	for {
		r, f := c.begin(docs, from)
		if r != nil {
			return r, nil
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, c.fail(gaveUpOn(ctx))
		}
		if f.result.isFor(docs, from) {
			return f.result, nil
		}
	}
}

func gaveUpOn(ctx context.Context) error {
	if err := endOf(ctx); err != ctx.Err() {
		return err
	}
	return &ended{cause: errors.New("gave up waiting for the function given to Derive: " + ctx.Err().Error()),
		err: ctx.Err()}
}

// begin returns the result for docs if it is known. Otherwise it returns the
// call under way, which it begins if there is none. It replaces documents in
// docs that an App has replaced since: otherwise a slow reader would follow a
// new result with an old one. It sets from, see result.
func (c *derivation) begin(docs []*Document, from []source) (*result, *derivedFlight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settleIn()
	for i, s := range c.secrets {
		docs[i], from[i] = latest(s.declared(), docs[i])
	}
	if r := c.last.Load(); r != nil && r.isFor(docs, from) && r.holds(time.Now) {
		return c.renew(r, docs, from), nil
	}
	if c.flight == nil {
		c.flight = &derivedFlight{done: make(chan struct{})}
		go c.run(c.flight, slices.Clone(docs), slices.Clone(from))
	}
	return nil, c.flight
}

// latest returns the document in memory, else doc, and its source. An App that
// has not loaded the secret yet does not hold the document that an earlier App
// has left. It is no method of Secret: a Worker would then link it.
func latest(s *Secret, doc *Document) (*Document, source) {
	owner := s.loader.Load().owner
	home, ok := owner.(derivedHome)
	for {
		live := s.live.Load()
		if live != nil && live.data().err() == nil {
			doc = live
		}
		if !ok {
			return doc, source{}
		}
		switch good, unset := home.holding(); {
		case good == doc:
			return doc, source{owner, unset}
		case s.live.Load() == live:
			return doc, source{}
		} // else it has just been replaced
	}
}

// renew makes r the result for docs, which have the same content as its own
// documents. The caller holds mu.
func (c *derivation) renew(r *result, docs []*Document, from []source) *result {
	if c.flight != nil { // it stores a result soon
		return r
	}
	renewed := *r
	renewed.docs, renewed.from = slices.Clone(docs), slices.Clone(from)
	c.last.Store(&renewed)
	if r.fault == nil {
		c.good = &renewed // the App of docs may be another one
	}
	return &renewed
}

// run computes the result for docs. A Logger may read the value: it gets the
// fault when reads find the result.
func (c *derivation) run(f *derivedFlight, docs []*Document, from []source) {
	f.result = c.compute(docs, from)
	reports := c.report(f.result)
	c.mu.Lock()
	c.last.Store(f.result)
	c.flight = nil
	c.mu.Unlock()
	for _, report := range reports {
		report()
	}
	close(f.done)
}

func (c *derivation) compute(docs []*Document, from []source) *result {
	if c.good != nil && sameDocuments(c.good.docs, docs) && c.good.holds(time.Now) {
		// back from documents for which f fails
		c.good = &result{docs: docs, from: from, until: c.good.until, value: c.good.value}
		return c.good
	}
	r := c.try(docs, from)
	switch {
	case r.fault == nil:
		c.good = r
	case c.good == nil || !c.good.outlives(r):
		c.good, r.err = nil, c.fail(r.fault)
	default:
		if !c.good.holds(time.Now) {
			c.good = c.try(c.good.docs, c.good.from)
		}
		if c.good.fault != nil {
			c.good, r.err = nil, c.fail(r.fault)
			break
		}
		r.value, r.until = c.good.value, earlier(r.until, c.good.until)
	}
	return r
}

// try calls f.
func (c *derivation) try(docs []*Document, from []source) *result {
	r := &result{docs: docs, from: from, until: nextInstant(docs, time.Now())}
	var err error
	crashed := guard(func() {
		if r.value, err = c.call(slices.Clone(docs)); err != nil {
			_ = err.Error() // may panic too
		}
	})
	if crashed != nil {
		err = errors.New(crashed.why("the function given to Derive"))
	}
	if err != nil {
		r.value, r.fault = nil, err
	}
	return r
}

// fail returns the error of a Get.
func (c *derivation) fail(err error) error {
	if len(c.secrets) > 1 {
		err = &derivedError{with: addresses(c.secrets[1:]), err: err}
	}
	return &Error{Op: "derive", Address: c.secrets[0].Address(), Err: err}
}

// derivedError names the secrets that Error.Address does not.
type derivedError struct {
	_    uncomparable
	with string
	err  error
}

func (e *derivedError) Error() string { return "with " + e.with + ": " + e.err.Error() }
func (e *derivedError) Unwrap() error { return e.err }

// outlives reports whether the value of r stays in use although f fails for the
// documents of next: the new ones come from the sources of those of r. A
// document that no App holds must be the same.
func (r *result) outlives(next *result) bool {
	for i, doc := range next.docs {
		if (next.from[i] == source{} || next.from[i] != r.from[i]) && !sameDocument(doc, r.docs[i]) {
			return false
		}
	}
	// The same documents fail only if f depends on the time: their value has ended.
	return !sameDocuments(r.docs, next.docs)
}

// isFor reports whether r is the result for docs. After a fault that depends on
// the sources too: a new one begins without a last good value.
func (r *result) isFor(docs []*Document, from []source) bool {
	return sameDocuments(r.docs, docs) && (r.fault == nil || slices.Equal(r.from, from))
}

func sameDocuments(a, b []*Document) bool {
	for i := range a {
		if !sameDocument(a[i], b[i]) {
			return false
		}
	}
	return true
}

// sameDocument reports whether a and b have the same content. Concurrent loads
// of one text return different documents.
func sameDocument(a, b *Document) bool {
	if a == b {
		return true
	}
	x, y := a.data(), b.data()
	return x.format == y.format && x.same(y)
}

// nextInstant returns the first instant after now at which a version of docs
// starts or expires, or zero.
func nextInstant(docs []*Document, now time.Time) (next time.Time) {
	for _, doc := range docs {
		entries := doc.data().entries
		for i := range entries {
			for _, t := range [...]time.Time{entries[i].activeFrom, entries[i].expiresAt} {
				if t.After(now) {
					next = earlier(next, t)
				}
			}
		}
	}
	return next
}
