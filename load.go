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
	owner loadOwner // set in an App; nil: no document is kept

	last atomic.Pointer[loaded]

	mu     sync.Mutex
	flight *flight // the load under way that whoever comes may share
	loads  uint64  // begun until now
}

// loadOwner is an App's part in a loader. It is an interface so that a program
// without an App does not link one: in a Worker every kilobyte counts.
type loadOwner interface {
	holds(besides any) bool                             // whether an App other than that one claims the secrets; *App would link it
	read(ctx context.Context) (*Document, error)        // shares a load and keeps what it finds
	begin(p purpose, load func(parent context.Context)) // runs a load in a goroutine
	timeout() time.Duration                             // bounds it
	keep(*flight)                                       // keeps its result, or refuses it
}

// loaded is a document and the print of the text that it was parsed from.
type loaded struct {
	print fingerprint
	doc   *Document
}

// flight is a load that several callers wait for.
type flight struct {
	_       uncomparable
	purpose purpose
	number  uint64        // of its loader's loads, which follow one another
	done    chan struct{} // closed when the rest is set
	doc     *Document
	err     error
	cut     bool // it was for Start, and who called that has given up
}

// purpose is what a load is begun for.
type purpose uint8

const (
	toRead    purpose = iota // by whoever comes, and to keep fresh
	toRefresh                // because somebody asks for what is stored now
	toStart                  // an App, under Start's context; what it finds is not kept before all is found
)

func newLoader(d *declaration, fallback Store) *loader {
	store := d.Store
	if store == nil {
		store = fallback
	}
	if store == nil {
		store = Env()
	}
	return &loader{decl: d, store: store}
}

// load asks the store. A text that has not changed is not parsed again.
func (l *loader) load(ctx context.Context, store Store) (*Document, error) {
	d := l.decl
	if d.err != nil {
		return nil, d.err
	}
	text, err := store.Get(ctx, d.addr)
	if err != nil {
		if err == ctx.Err() {
			err = gaveUp(ctx)
		}
		return nil, l.fail(err)
	}
	print := fingerprintOf(text)
	if last := l.last.Load(); last != nil && last.print == print {
		return last.doc, nil
	}
	data, err := parse(text, d.Format)
	if err != nil {
		e := *err.(*Error)
		e.Op, e.Address, e.Where = "load", d.addr, locate(store, d.addr)
		return nil, &e
	}
	data.decl = d
	doc := newDocument(data)
	l.last.Store(&loaded{print, doc})
	return doc, nil
}

func (l *loader) fail(err error) error {
	return &Error{Op: "load", Address: l.decl.addr, Err: err}
}

// share joins the load under way, or begins one. The load has its own time limit: a caller whose ctx ends leaves, and the
// others are not disturbed.
func (l *loader) share(ctx context.Context, p purpose) (*Document, error) {
	f, err := l.join(ctx, p)
	if err != nil {
		return nil, err
	}
	return f.doc, f.err
}

// join is share for who needs to know which load it was.
func (l *loader) join(ctx context.Context, p purpose) (*flight, error) {
	if l.decl.err != nil {
		return nil, l.decl.err
	}
	for ctx.Err() == nil {
		f := l.flightUnderWay(p)
		select {
		case <-f.done:
			if f.cut && p != toStart {
				continue // it ended with the context of somebody else
			}
			return f, nil
		case <-ctx.Done():
		}
	}
	return nil, l.fail(gaveUp(ctx))
}

// flightUnderWay returns the load under way, and begins one where there is
// none.
func (l *loader) flightUnderWay(p purpose) *flight {
	l.mu.Lock()
	f := l.flight
	first := f == nil
	if first {
		l.loads++
		f = &flight{purpose: p, number: l.loads, done: make(chan struct{})}
		l.flight = f
	}
	l.mu.Unlock()
	switch {
	case first && l.owner == nil:
		go l.run(context.Background(), f)
	case first:
		l.owner.begin(p, func(parent context.Context) { l.run(parent, f) })
	}
	return f
}

// run carries a shared load out. Loads of one declaration follow one another,
// so the kept document never goes back in time.
func (l *loader) run(parent context.Context, f *flight) {
	limit := timeout.Default
	if l.owner != nil {
		limit = l.owner.timeout()
	}
	ctx, cancel := timeout.Context(parent, limit)
	f.doc, f.err = l.load(ctx, guarded{l.store})
	cancel()
	f.cut = f.err != nil && f.purpose == toStart && parent.Err() != nil
	if l.owner != nil && f.purpose != toStart {
		l.owner.keep(f)
	}
	l.mu.Lock()
	l.flight = nil
	l.mu.Unlock()
	close(f.done)
}

// refresh asks the store now: it shares a load that another refresh has begun, but none that began for less and may have
// found what was stored before.
func (l *loader) refresh(ctx context.Context) (*Document, error) {
	l.awaitFlight(ctx, toRefresh)
	return l.share(ctx, toRefresh)
}

// awaitFlight waits for a load that is under way, if there is one: a load that
// begins after that sees the text stored now. It does not wait for one of the
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

// endOf returns why ctx has ended: its cause, which says whose limit that was, as an error that is ctx's own as well.
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

func (e *ended) Error() string   { return e.cause.Error() }
func (e *ended) Unwrap() []error { return []error{e.cause, e.err} }

// gaveUp is endOf where a store was asked: a bare "context deadline exceeded" would not say what took so long.
func gaveUp(ctx context.Context) error {
	if err := endOf(ctx); err != ctx.Err() {
		return err
	}
	return &ended{cause: errors.New("gave up waiting for the store: " + ctx.Err().Error()), err: ctx.Err()}
}

// fingerprint tells texts apart without keeping them: a document does not always hold its text, and need not keep two
// copies of a value. Its seeds are random, so nobody can make two texts collide.
type fingerprint struct {
	size int
	a, b uint64
}

var seedA, seedB = maphash.MakeSeed(), maphash.MakeSeed()

func fingerprintOf(text string) fingerprint {
	return fingerprint{len(text), maphash.String(seedA, text), maphash.String(seedB, text)}
}
