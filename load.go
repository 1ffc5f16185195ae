package secret

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
)

// loader loads the documents of one declaration from a store, and keeps the
// last one.
type loader struct {
	_     uncomparable
	decl  *declaration
	store Store
	owner loadOwner     // set in an App; nil: no document is kept
	limit time.Duration // of one load that callers share

	last atomic.Pointer[Document]

	mu     sync.Mutex
	flight *flight       // the load under way, which callers may share
	loads  uint64        // loads begun so far
	failed uint64        // loads that ended without a good document
	spent  time.Duration // by all loads that ended
}

// loadOwner is the part of an App that a loader uses. It is an interface so
// that a program without an App does not link App: in a Worker every kilobyte
// counts.
type loadOwner interface {
	// whether an App other than besides has claimed the secrets; a parameter of
	// type *App would link App
	holds(besides any) bool
	read(ctx context.Context) (*Document, error)        // shares a load and keeps its result
	begin(p purpose, load func(parent context.Context)) // runs a load in a goroutine
	keep(*flight)                                       // keeps the result, or refuses it, but for Start
	keepText(text string, doc *Document)                // for AppOptions.Cache
	lastGood() *Document                                // that the App has accepted; nil: none
}

// flight is a load that several callers wait for.
type flight struct {
	_       uncomparable
	purpose purpose
	number  uint64        // among the loads of its loader, which run one at a time
	done    chan struct{} // closed when the other fields are set
	doc     *Document
	err     error
	cut     bool // the end of its context has cut a load for Start or of a refresh
	missing bool // an optional secret has no value: err is no failure

	confirmed time.Time // when the store returned the answer; zero: just now
	cached    bool      // the answer is from AppOptions.Cache
	outage    error     // of the store, if the answer is an earlier one; nil: it is new
}

// purpose is the reason for a load.
type purpose uint8

const (
	toRead    purpose = iota // a read; any reader may share it
	toFollow                 // the App's own refresh; any reader may share it
	toRefresh                // a caller asks for the text that is stored now
	// for an App, under Start's context; its result is kept only after all secrets
	// are loaded
	toStart
)

func newLoader(d *declaration, fallback Store) *loader {
	store := d.Store
	if store == nil {
		store = fallback
	}
	if store == nil {
		store = Env()
	}
	return &loader{decl: d, store: store, limit: timeout.Default}
}

// load reads the store. It does not parse a text that has not changed.
func (l *loader) load(ctx context.Context, store Store) (*Document, error) {
	d := l.decl
	if d.err != nil {
		return nil, d.err
	}
	text, err := store.Get(d.bound(ctx), d.addr)
	if err != nil {
		if err == ctx.Err() {
			err = gaveUp(ctx)
		}
		return nil, l.fail(err)
	}
	print := fingerprintOf(text)
	if last := l.last.Load(); last != nil && last.data().print == print {
		return last, nil
	}
	if l.owner != nil {
		// This text is not the last one, but no change: the App has refused the last
		// one, or has this one from its cache.
		if good := l.owner.lastGood(); good != nil && good.data().print == print {
			l.keepLast(text, good)
			return good, nil
		}
	}
	data, err := parse(text, d.Format)
	if err != nil {
		e := err.(*Error) // parse made it for this call
		e.Op, e.Address, e.Where = "load", d.addr, locate(store, d)
		return nil, e
	}
	data.decl, data.print = d, print
	doc := newDocument(data)
	l.keepLast(text, doc)
	return doc, nil
}

func (l *loader) keepLast(text string, doc *Document) {
	l.last.Store(doc)
	if l.owner != nil {
		l.owner.keepText(text, doc)
	}
}

func (l *loader) fail(err error) error {
	return &Error{Op: "load", Address: l.decl.addr, Err: err}
}

// share joins the load under way, or begins one. The load has its own time
// limit: a caller whose ctx ends leaves without disturbing the others.
func (l *loader) share(ctx context.Context, p purpose) (*Document, error) {
	f, err := l.join(ctx, p)
	if err != nil {
		return nil, err
	}
	return f.doc, f.err
}

// join is like share but returns the flight.
func (l *loader) join(ctx context.Context, p purpose) (*flight, error) {
	if l.decl.err != nil {
		return nil, l.decl.err
	}
	for ctx.Err() == nil {
		f := l.flightUnderWay(p)
		select {
		case <-f.done:
			if f.cut && p != toStart {
				continue // it ended with the context of another caller
			}
			return f, nil
		case <-ctx.Done():
		}
	}
	return nil, l.fail(gaveUp(ctx))
}

// flightUnderWay returns the load under way, and begins one if there is none.
func (l *loader) flightUnderWay(p purpose) *flight {
	f, first := l.flightFor(p)
	switch {
	case first && l.owner == nil:
		go l.run(context.Background(), f, l.store)
	case first:
		l.owner.begin(p, func(parent context.Context) { l.run(parent, f, l.store) })
	}
	return f
}

// flightFor returns the load under way. If there is none, first is true, and the
// caller runs the load that it returns.
func (l *loader) flightFor(p purpose) (f *flight, first bool) {
	l.mu.Lock()
	f = l.flight
	first = f == nil
	if first {
		l.loads++
		f = &flight{purpose: p, number: l.loads, done: make(chan struct{})}
		l.flight = f
	}
	l.mu.Unlock()
	return f, first
}

// run performs a shared load from store. Loads of one declaration run one after
// another, so the kept document is never replaced by an older one.
func (l *loader) run(parent context.Context, f *flight, store Store) {
	ctx, cancel := timeout.Context(parent, l.limit)
	began := time.Now()
	f.doc, f.err = l.load(ctx, guarded{store})
	took := time.Since(began)
	cancel()
	f.cut = f.err != nil && (f.purpose == toStart || f.purpose == toFollow) && parent.Err() != nil
	if l.owner != nil {
		l.owner.keep(f)
	}
	l.mu.Lock()
	l.flight = nil
	l.spent += took
	if f.err != nil && !f.missing {
		l.failed++
	}
	l.mu.Unlock()
	close(f.done)
}

// refresh reads the store now. It shares a load that another refresh has begun,
// but not a load of another purpose, which may have found an older text.
func (l *loader) refresh(ctx context.Context) (*Document, error) {
	l.awaitFlight(ctx, toRefresh)
	return l.share(ctx, toRefresh)
}

// awaitFlight waits for the load under way, if any: a load that begins later
// finds the text that is stored now. It does not wait for a load of one of the
// excepted purposes.
func (l *loader) awaitFlight(ctx context.Context, except ...purpose) {
	l.mu.Lock()
	f := l.flight
	l.mu.Unlock()
	if f == nil || slices.Contains(except, f.purpose) {
		return
	}
	select {
	case <-f.done:
	case <-ctx.Done():
	}
}

// endOf returns the reason why ctx ended: its cause, which names the limit. The
// error also wraps ctx.Err().
func endOf(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return &ended{cause: cause, err: ctx.Err()}
	}
	return context.Cause(ctx)
}

type ended struct {
	_          uncomparable
	cause, err error
}

func (e *ended) Error() string { return e.cause.Error() }

// Unwrap returns both errors. A literal would need an array, for whose == the
// compiler writes code.
func (e *ended) Unwrap() []error { return append([]error(nil), e.cause, e.err) }

// gaveUp is endOf for a wait for the store: a bare "context deadline exceeded"
// would not name the operation that took too long.
func gaveUp(ctx context.Context) error {
	if err := endOf(ctx); err != ctx.Err() {
		return err
	}
	return &ended{cause: errors.New("gave up waiting for the store: " + ctx.Err().Error()), err: ctx.Err()}
}

// fingerprint compares texts without keeping them: a document does not always
// hold its text, and need not keep two copies of a value. The seeds are random,
// so no one can construct two texts that collide.
type fingerprint struct{ a, b uint64 }

var secondSeed = maphash.MakeSeed()

func fingerprintOf(text string) fingerprint {
	return fingerprint{maphash.String(indexSeed, text), maphash.String(secondSeed, text)}
}
