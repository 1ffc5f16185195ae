package secret

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// source is where one declaration's documents come from: a store, and what was last read from it.
type source struct {
	decl  *declaration
	store Store
	keep  keeper // set in an App; nil: what is loaded is not kept

	last atomic.Pointer[loaded]

	mu     sync.Mutex
	flight *flight // the load under way that whoever comes may share
}

// keeper is an App's part in a source. It is an interface so that a program without an App does not link one: in a Worker
// every kilobyte counts.
type keeper interface {
	holder() *App
	begin(load func())                               // runs a load in a goroutine
	patience() (context.Context, context.CancelFunc) // bounds it
	took(doc *Document, err error)                   // keeps what it found
}

// loaded is a document and the print of the text that it was parsed from.
type loaded struct {
	print fingerprint
	doc   *Document
}

// flight is a load that several callers wait for.
type flight struct {
	done chan struct{} // closed when doc and err are set
	doc  *Document
	err  error
}

func newSource(d *declaration, fallback Store) *source {
	store := d.Store
	if store == nil {
		store = fallback
	}
	if store == nil {
		store = Env()
	}
	return &source{decl: d, store: store}
}

// load asks the store, in the caller's goroutine. A text that has not changed is not parsed again.
func (src *source) load(ctx context.Context) (*Document, error) {
	d := src.decl
	if d.err != nil {
		return nil, d.err
	}
	text, err := src.store.Get(ctx, d.addr)
	if err != nil {
		if err == ctx.Err() {
			err = context.Cause(ctx) // it says whose limit that was
		}
		return nil, src.fail(err)
	}
	print := fingerprintOf(text)
	if last := src.last.Load(); last != nil && last.print == print {
		return last.doc, nil
	}
	data, err := parse(text, d.Format)
	if err != nil {
		e := *err.(*Error)
		e.Op, e.Address, e.Where = "load", d.addr, locate(src.store, d.addr)
		return nil, &e
	}
	data.decl = d
	doc := newDocument(data)
	src.last.Store(&loaded{print, doc})
	return doc, nil
}

func (src *source) fail(err error) error {
	return &Error{Op: "load", Address: src.decl.addr, Offset: -1, Err: err}
}

// share joins the load under way, or begins one. The load has its own time limit: a caller whose ctx ends leaves, and the
// others are not disturbed. In an App, keep has what a new load finds kept there.
func (src *source) share(ctx context.Context, keep bool) (*Document, error) {
	if src.decl.err != nil {
		return nil, src.decl.err
	}
	src.mu.Lock()
	f := src.flight
	first := f == nil
	if first {
		f = &flight{done: make(chan struct{})}
		src.flight = f
	}
	src.mu.Unlock()
	switch {
	case first && src.keep == nil:
		go src.fly(f, false)
	case first:
		src.keep.begin(func() { src.fly(f, keep) })
	}
	select {
	case <-f.done:
		return f.doc, f.err
	case <-ctx.Done():
		return nil, src.fail(context.Cause(ctx))
	}
}

// fly carries a shared load out. Loads of one source follow one another, so what is kept never goes back in time.
func (src *source) fly(f *flight, keep bool) {
	ctx, cancel := src.patience()
	f.doc, f.err = src.load(ctx)
	cancel()
	if keep {
		src.keep.took(f.doc, f.err)
	}
	src.mu.Lock()
	src.flight = nil
	src.mu.Unlock()
	close(f.done)
}

func (src *source) patience() (context.Context, context.CancelFunc) {
	if src.keep != nil {
		return src.keep.patience()
	}
	return withPatience(context.Background(), ownPatience)
}

// landed waits for a load that is under way, if one is: what begins after that sees what is stored now.
func (src *source) landed(ctx context.Context) {
	src.mu.Lock()
	f := src.flight
	src.mu.Unlock()
	if f != nil {
		select {
		case <-f.done:
		case <-ctx.Done():
		}
	}
}

// ownPatience is how long a store that is asked without a context is given.
const ownPatience = 10 * time.Second

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
