package secret

import (
	"context"
	"errors"
	"reflect"
	"time"
)

// slot is one declaration's place in an App: where its documents come from, which secrets return them, and how the last
// loads went.
type slot struct {
	source
	app     *App
	secrets []*Secret // guarded by claims

	// Guarded by source.mu.
	doc         *Document // the last good one
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

func (sl *slot) holder() *App { return sl.app }

// patience returns the context of a load that is not one caller's own.
func (sl *slot) patience() (context.Context, context.CancelFunc) {
	sl.app.mu.Lock()
	defer sl.app.mu.Unlock()
	parent := context.Background()
	if sl.app.state == appStarting || sl.app.state == appStarted {
		parent = sl.app.lifetime
	}
	return withPatience(parent, sl.app.options.Timeout)
}

// begin runs a load in a goroutine, which a running App waits for when it closes.
func (sl *slot) begin(load func()) {
	sl.app.mu.Lock()
	defer sl.app.mu.Unlock()
	if sl.app.state == appStarted {
		sl.app.running.Go(load)
		return
	}
	go load()
}

// firstLoad is Start's: it waits out a load that may have begun long ago, keeps nothing, and insists on the declared length.
func (sl *slot) firstLoad(ctx context.Context) (*Document, error) {
	ctx, cancel := withPatience(ctx, sl.app.options.Timeout)
	defer cancel()
	sl.landed(ctx)
	return sl.checked(sl.share(ctx, false))
}

// checked refuses a document whose current version has not the declared length. Older ones may have had another.
func (sl *slot) checked(doc *Document, err error) (*Document, error) {
	if err != nil {
		return nil, err
	}
	v := doc.Current()
	if _, err := doc.data().keyRule().decode(v.Text()); err != nil {
		return nil, &Error{Op: "load", Address: sl.decl.addr, Where: locate(sl.store, sl.decl.addr), Version: v.ID, Offset: -1, Err: err}
	}
	return doc, nil
}

// took keeps what a shared load found. A failure leaves the last good document where it is.
func (sl *slot) took(doc *Document, err error) {
	if err == nil && sl.known() != nil {
		doc, err = sl.checked(doc, nil)
	}
	if err != nil {
		sl.failed(err)
		return
	}
	sl.publish(doc)
}

func (sl *slot) known() *Document {
	sl.mu.Lock()
	defer sl.mu.Unlock()
	return sl.doc
}

// publish makes doc what all reads of the slot's secrets return.
func (sl *slot) publish(doc *Document) {
	now := time.Now()
	claims.Lock()
	sl.mu.Lock()
	old, recovered := sl.doc, sl.state
	sl.doc, sl.err, sl.state = doc, nil, nil
	sl.lastSuccess, sl.failedSince = now, time.Time{}
	sl.failures, sl.skip, sl.stale = 0, 0, false
	sl.serve(doc)
	sl.mu.Unlock()
	claims.Unlock()

	if recovered != nil {
		sl.app.logger().Info("secret can be loaded again", "address", sl.decl.addr.String(), "current", doc.Current().ID)
	}
	if old != doc {
		sl.changed(old, doc)
	}
}

// serve makes doc what the reads of the secrets return that this slot holds; claims is locked, so none changes hands.
func (sl *slot) serve(doc *Document) {
	for _, s := range sl.secrets {
		if s.src.Load() == &sl.source {
			s.live.Store(doc)
		}
	}
}

// changed tells of a new document.
func (sl *slot) changed(old, doc *Document) {
	now := doc.Current()
	for _, w := range doc.data().faultsOfText() {
		sl.app.logger().Warn("secret is readable, but look at it", "address", sl.decl.addr.String(), "warning", w.Message)
	}
	if old == nil {
		return
	}
	was := old.Current()
	if was.ID == now.ID && was.Text() == now.Text() {
		return
	}
	sl.app.logger().Info("secret has a new current version", "address", sl.decl.addr.String(), "old", was.ID, "new", now.ID)
	sl.app.changes.send(Change{Address: sl.decl.addr, Old: was.ID, New: now.ID})
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
	cause := sl.err
	if cause == nil {
		cause = errUnavailable
	}
	err := &Error{Op: "load", Address: sl.decl.addr, Offset: -1, Err: &staleError{limit, cause}}
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
	if now.Before(sl.lastSuccess.Add(limit)) { // it has been confirmed just now
		sl.mu.Unlock()
		claims.Unlock()
		return
	}
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
