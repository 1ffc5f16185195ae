package secret

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
)

// slot is one declaration's place in an App: where its documents come from, which secrets return them, and how the last
// loads went.
type slot struct {
	source
	app     *App
	secrets []*Secret // guarded by claims

	// Guarded by source.mu.
	doc         *Document // the last good one
	published   uint64    // the number of the load that found it
	err         error     // of the last load, if it failed
	state       error     // the sentinel that err wraps, or err's stand-in: what is logged when it changes
	lastSuccess time.Time
	failedSince time.Time
	failures    int // in a row
	skip        int // rounds to leave out
	stale       bool

	// Guarded by app.mu.
	busy    bool      // a load for the App is on its way
	hinted  time.Time // when to look because of a hint; zero: none
	watched bool      // a Watcher tells of its changes
}

func newSlot(a *App, d *declaration) *slot {
	sl := &slot{app: a}
	sl.source.decl = d
	sl.source.store = newSource(d, a.options.Store).store
	sl.source.keep = sl
	return sl
}

func (sl *slot) holds(besides any) bool { return besides != sl.app && sl.app.holds }

func (sl *slot) read(ctx context.Context) (*Document, error) { return sl.share(ctx, toRead) }

func (sl *slot) timeout() time.Duration { return sl.app.options.Timeout }

// begin runs a load in a goroutine. Until the App is closed it ends with the App, or with its Start, and Close waits for it.
func (sl *slot) begin(p purpose, load func(parent context.Context)) {
	a := sl.app
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.state == appClosed && p != toStart:
		go load(context.Background())
	case a.state == appClosed:
		go load(a.lifetime) // which has ended
	case p == toStart:
		a.running.Go(func() { load(a.starting) })
	default:
		a.running.Go(func() { load(a.lifetime) })
	}
}

// firstLoad is Start's: it waits out a load that may have begun long ago, keeps nothing, and insists on the declared length.
func (sl *slot) firstLoad(ctx context.Context) (*flight, error) {
	ctx, cancel := timeout.Context(ctx, sl.timeout())
	defer cancel()
	sl.landed(ctx)
	f, err := sl.join(ctx, toStart)
	if err != nil {
		return nil, err
	}
	_, err = sl.checked(f.doc, f.err)
	return f, err
}

// checked refuses a document whose current version has not the declared length. Older ones may have had another.
func (sl *slot) checked(doc *Document, err error) (*Document, error) {
	if err != nil {
		return nil, err
	}
	v := doc.Current()
	if _, err := doc.data().keyRule().decode(v.Text()); err != nil {
		return nil, &Error{Op: "load", Address: sl.decl.addr, Where: locate(sl.store, sl.decl.addr), Version: v.ID, Err: err}
	}
	return doc, nil
}

// took keeps what a shared load found. A failure leaves the last good document where it is.
func (sl *slot) took(f *flight) {
	if f.err == nil && sl.known() != nil {
		f.doc, f.err = sl.checked(f.doc, nil)
	}
	if f.err != nil {
		sl.failed(f.err)
		return
	}
	sl.publish(f)
}

func (sl *slot) known() *Document {
	sl.mu.Lock()
	defer sl.mu.Unlock()
	return sl.doc
}

// publish makes what f found what all reads of the slot's secrets return.
func (sl *slot) publish(f *flight) {
	old, recovered, ok := sl.replace(f)
	if !ok {
		return
	}
	if recovered {
		sl.app.logger().Info("secret can be loaded again", "address", sl.decl.addr.String(), "current", f.doc.Current().ID)
	}
	if old != f.doc {
		sl.logChange(old, f.doc)
	}
}

// replace is publish without its logging. It does nothing where a later load has been published: what Start found has
// waited for the other secrets.
func (sl *slot) replace(f *flight) (old *Document, recovered, ok bool) {
	now := time.Now()
	claims.Lock()
	defer claims.Unlock()
	sl.mu.Lock()
	defer sl.mu.Unlock()
	if f.number < sl.published {
		return nil, false, false
	}
	old, recovered = sl.doc, sl.state != nil || sl.stale
	sl.doc, sl.err, sl.state, sl.published = f.doc, nil, nil, f.number
	sl.lastSuccess, sl.failedSince = now, time.Time{}
	sl.failures, sl.skip, sl.stale = 0, 0, false
	sl.serve(f.doc)
	if c, news := changeOf(sl.decl.addr, old, f.doc); news {
		sl.app.changes.send(c) // under the lock: changes are told in their order
	}
	return old, recovered, true
}

// serve makes doc what the reads of the secrets return that this slot holds; claims is locked, so none changes hands.
func (sl *slot) serve(doc *Document) {
	for _, s := range sl.secrets {
		if s.src.Load() == &sl.source {
			s.live.Store(doc)
		}
	}
}

// changeOf tells whether the current value is another. A first document is no change.
func changeOf(addr Address, old, doc *Document) (c Change, news bool) {
	if old == nil {
		return c, false
	}
	was, now := old.Current(), doc.Current()
	return Change{Address: addr, Old: was.ID, New: now.ID}, was.ID != now.ID || was.Text() != now.Text()
}

func (sl *slot) logChange(old, doc *Document) {
	for _, w := range doc.data().faultsOfText() {
		sl.app.logger().Warn("secret is readable, but look at it", "address", sl.decl.addr.String(), "warning", w.Message)
	}
	if c, news := changeOf(sl.decl.addr, old, doc); news {
		sl.app.logger().Info("secret has a new current version", "address", sl.decl.addr.String(), "old", c.Old, "new", c.New)
	}
}

// notStarted records why Start failed for this secret; Start itself has said it, so nothing is logged.
func (sl *slot) notStarted(err error) {
	if sl.decl.err != nil {
		return // it was never loaded, and tells of itself
	}
	sl.mu.Lock()
	defer sl.mu.Unlock()
	sl.err = err
	if sl.failedSince.IsZero() {
		sl.failedSince = time.Now()
	}
}

// failed records a load that gave nothing, and logs it where it is news.
func (sl *slot) failed(err error) {
	sl.mu.Lock()
	state := stateOf(err)
	news := sl.state != state
	sl.err, sl.state = err, state
	if sl.failures == 0 {
		sl.failedSince = time.Now()
	}
	sl.failures++
	sl.skip = roundsToSkip(sl.failures)
	kept := sl.doc
	sl.mu.Unlock()
	if news && !sl.app.closed() {
		sl.app.logger().Warn("secret cannot be loaded", "address", sl.decl.addr.String(), "kept", kept.Current().ID, "error", err.Error())
	}
}

// roundsToSkip returns how many rounds a secret is left out after so many failures in a row: 0, 1, 3, 4, 4 …, so that it
// is asked for at most every fifth round, and a store in trouble is not asked by everybody all the time.
func roundsToSkip(failures int) int {
	return []int{0, 0, 1, 3, 4}[min(failures, 4)]
}

var (
	errUnavailable = errors.New("store unavailable")
	errClosed      = errors.New("the App was closed")
)

// stateOf puts errors into classes: what is stored is at fault in one way or another, or the store cannot be asked.
func stateOf(err error) error {
	for _, sentinel := range []error{ErrNotFound, ErrEmpty, ErrMalformed, ErrTooLarge, ErrEncoding, ErrInvalid} {
		if errors.Is(err, sentinel) {
			return sentinel
		}
	}
	return errUnavailable
}

// expire lets reads fail: the value could not be confirmed for too long.
func (sl *slot) expire(now time.Time, limit time.Duration) {
	claims.Lock()
	sl.mu.Lock()
	if now.Before(sl.lastSuccess.Add(limit)) { // it has been confirmed just now
		sl.mu.Unlock()
		claims.Unlock()
		return
	}
	cause := sl.err
	if cause == nil {
		cause = errUnavailable
	}
	err := &Error{Op: "load", Address: sl.decl.addr, Err: &staleError{limit, cause}}
	sl.stale = true
	sl.serve(newDocument(&document{decl: sl.decl, err: err}))
	sl.mu.Unlock()
	claims.Unlock()
	sl.app.logger().Error("secret is read no more", "address", sl.decl.addr.String(), "error", err.Error())
}

// staleError says that MaxStale has passed, and why the value was not confirmed.
type staleError struct {
	limit time.Duration
	cause error
}

func (e *staleError) Error() string {
	return "not confirmed for over " + e.limit.String() + " (AppOptions.MaxStale): " + e.cause.Error()
}

func (e *staleError) Unwrap() error { return e.cause }

// same tells whether two declarations are one.
func (d *declaration) same(o *declaration) bool { return d == o || d.difference(o) == "" }

// difference names the first option in which two declarations differ, or "".
func (d *declaration) difference(o *declaration) string {
	switch {
	case d.addr != o.addr:
		return "Name"
	case d.kind != o.kind:
		return "kind, " + d.kind.String() + " and " + o.kind.String()
	case d.Bytes != o.Bytes:
		return "Bytes"
	case d.Encoding != o.Encoding:
		return "Encoding"
	case d.Format != o.Format:
		return "Format"
	case !reflect.DeepEqual(d.Rotation, o.Rotation):
		return "Rotation"
	case d.Generator != o.Generator:
		return "Generator"
	case !reflect.DeepEqual(d.Params, o.Params):
		return "Params"
	case d.SecretName != o.SecretName:
		return "SecretName"
	case !sameStore(d.Store, o.Store):
		return "Store"
	}
	return ""
}

// sameStore compares stores as far as Go can: one of a type without == is the same as none.
func sameStore(a, b Store) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return isComparable(a) && isComparable(b) && a == b
}

// isComparable tells whether == works on s. Its type alone does not tell: a store may hold another in an interface.
func isComparable(s any) bool { return reflect.ValueOf(s).Comparable() }
