package secret

import (
	"cmp"
	"context"
	"log/slog"
	"time"
)

// appSecret is one declaration in an App, with the results of its last loads.
type appSecret struct {
	loader
	app     *App
	batch   *batch    // nil: every load is a Get
	readers []*Secret // guarded by claims
	told    *told     // guarded by claims; nil: a Change about the last document, with no version that expires
	served  *Document // to the readers, guarded by claims; nil: nothing has been loaded

	// Guarded by loader.mu.
	doc         *Document // the last good document
	published   uint64    // the number of the load that found doc
	err         error     // of the last load, if it failed
	state       error     // the class of err; a change of it is logged
	lastSuccess time.Time
	failedSince time.Time
	failures    int  // consecutive failed loads
	skip        int8 // the number of rounds to leave out
	stale       bool
	missing     bool         // the store has no value of an optional secret, and doc is nil
	unset       uint64       // how often an optional secret has lost its value
	cache       *secretCache // nil: AppOptions.Cache has no entry of this secret

	// Guarded by app.mu.
	hinted  time.Time // when to load because of a hint; zero: no hint
	repeats bool      // hinted is of hintAgain
	busy    bool      // a load for the App is under way
	watched bool      // a Watcher reports its changes
	group   *watchGroup
}

var _ loadOwner = (*appSecret)(nil)

func newAppSecret(a *App, d *declaration) *appSecret {
	sec := &appSecret{app: a}
	sec.loader.decl = d
	sec.loader.store = newLoader(d, a.options.Store).store
	sec.loader.owner, sec.loader.limit = sec, a.options.Timeout
	sec.batch = a.batchOf(sec.loader.store)
	sec.useCache()
	return sec
}

func (sec *appSecret) holds(besides any) bool { return besides != sec.app && sec.app.holds }

// over reports whether the App is closed.
func (sec *appSecret) over() bool { return sec.app.closed() }

func (sec *appSecret) read(ctx context.Context) (*Document, error) { return sec.share(ctx, toRead) }

// begin runs a load in a goroutine. Until the App is closed, the load ends with
// the App, or with its Start, and Close waits for the load.
func (sec *appSecret) begin(p purpose, load func(parent context.Context)) {
	a := sec.app
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case p == toFollow, a.state != appClosed && p != toStart:
		a.running.Go(func() { load(a.lifetime) }) // Close has not come back while a refresh runs
	case a.state != appClosed:
		a.running.Go(func() { load(a.starting) })
	case p == toStart:
		go load(a.lifetime) // lifetime has ended by now
	default:
		go load(context.Background())
	}
}

// refused counts a load whose document Start does not accept.
func (sec *appSecret) refused() {
	sec.mu.Lock()
	defer sec.mu.Unlock()
	sec.loader.failed++
}

// start publishes the result of Start's load, unless a read before Start has
// loaded a document that this one must not replace. It reports whether it has.
func (sec *appSecret) start(f *flight) (published bool) {
	if f.missing {
		published = sec.keepMissing(f)
	} else if _, err := sec.inPlaceOf(sec.lastGood(), f.doc); err != nil {
		sec.refused()
		sec.failed(err)
	} else {
		published = sec.publish(f)
	}
	if published && f.outage != nil {
		sec.failed(f.outage)
	}
	claims.Lock()
	defer claims.Unlock()
	sec.serve(sec.served) // an earlier document, too: another App may have served the readers until now
	return published
}

// checked returns an error for a document whose current version does not have
// the declared length.
func (sec *appSecret) checked(doc *Document, err error) (*Document, error) {
	if err != nil {
		return nil, err
	}
	v := doc.Current()
	if _, err := doc.data().keyRule().decode(v.Text()); err != nil {
		return nil, &Error{Op: "load", Address: sec.decl.addr, Where: sec.place(), Version: v.ID, Err: err}
	}
	return doc, nil
}

// place returns the place where the store looks for the secret, or "".
func (sec *appSecret) place() string { return locate(guarded{sec.store}, sec.decl) }

// inPlaceOf returns an error for a document that must not replace the last good
// one: its "current" names no version, and the "current" of the good one does.
func (sec *appSecret) inPlaceOf(good, doc *Document) (*Document, error) {
	if good == nil || good.data().markerMissing() || !doc.data().markerMissing() {
		return doc, nil
	}
	return nil, &Error{Op: "load", Address: sec.decl.addr, Where: sec.place(), Member: "current",
		Err: because(ErrMalformed, "names no version; was the text cut off? The last good document stays")}
}

// keep records the result of a shared load, unless it is for Start.
func (sec *appSecret) keep(f *flight) {
	f.missing = sec.lacks(f.err)
	if f.purpose == toStart {
		return // Start keeps it, after all secrets are loaded
	}
	if f.missing {
		sec.keepMissing(f)
		return
	}
	if good := sec.lastGood(); f.err == nil && good != nil {
		if f.doc, f.err = sec.checked(f.doc, nil); f.err == nil {
			f.doc, f.err = sec.inPlaceOf(good, f.doc)
		}
	}
	if f.err != nil {
		sec.failed(f.err)
		return
	}
	sec.publish(f)
}

func (sec *appSecret) lastGood() *Document {
	sec.mu.Lock()
	defer sec.mu.Unlock()
	return sec.doc
}

// publish makes all reads of the secret return the document of f. It returns
// false if that of a later load has been published.
func (sec *appSecret) publish(f *flight) bool {
	old, recovered, ok := sec.replace(f)
	if !ok {
		return false
	}
	if recovered {
		sec.app.log(slog.LevelInfo, "secret can be loaded again", "address", sec.decl.addr.String(), "current",
			f.doc.Current().ID)
	}
	if old != f.doc {
		sec.logChange(old, f.doc)
	}
	sec.save(f)
	return true
}

// replace is publish without the log. It does nothing if a later load has
// already been published: Start publishes its loads after the last of them has
// ended.
func (sec *appSecret) replace(f *flight) (old *Document, recovered, ok bool) {
	claims.Lock()
	defer claims.Unlock()
	sec.mu.Lock()
	defer sec.mu.Unlock()
	if f.number < sec.published {
		return nil, false, false
	}
	old, recovered = sec.known(), sec.state != nil || sec.stale
	sec.becomesLive()
	sec.missing = false
	sec.doc, sec.err, sec.state, sec.published = f.doc, nil, nil, f.number
	sec.lastSuccess, sec.failedSince = cmp.Or(f.confirmed, time.Now()), time.Time{}
	sec.failures, sec.skip, sec.stale = 0, 0, false
	sec.cache.replaced(f)
	sec.serve(f.doc)
	sec.tell(old, wallClock())
	return old, recovered, true
}

// serve makes the readers that this App holds return doc. The caller holds
// claims.
func (sec *appSecret) serve(doc *Document) {
	sec.served = doc
	for _, s := range sec.readers {
		if s.loader.Load() == &sec.loader {
			s.live.Store(doc)
		}
	}
}

func (sec *appSecret) logChange(old, doc *Document) {
	for _, w := range doc.data().faultsOfText() {
		sec.app.log(slog.LevelWarn, "secret is readable, but look at it", "address", sec.decl.addr.String(), "warning",
			w.Message)
	}
	if old == nil {
		return
	}
	was, is := old.Current(), doc.Current()
	text, args := "secret has a new current version", []any{"address", sec.decl.addr.String(), "old", was.ID, "new", is.ID}
	if was.ID == is.ID {
		if was.Text() == is.Text() {
			return
		}
		text, args = "secret has a new value", []any{"address", sec.decl.addr.String(), "current", is.ID}
	}
	sec.app.log(slog.LevelInfo, text, args...)
}

// notStarted records the reason why Start failed. Start returns the error
// itself.
func (sec *appSecret) notStarted(err error) {
	if sec.decl.err != nil {
		return // it was never loaded; Err returns the fault
	}
	sec.mu.Lock()
	defer sec.mu.Unlock()
	sec.err = err
	if sec.failedSince.IsZero() {
		sec.failedSince = time.Now()
	}
}

// failed records a failed load, and logs it when the class of the error
// changes.
func (sec *appSecret) failed(err error) {
	sec.mu.Lock()
	state := stateOf(err)
	news := sec.state != state
	sec.err, sec.state = err, state
	if sec.failures == 0 {
		sec.failedSince = time.Now()
	}
	sec.failures++
	sec.skip = roundsToSkip(sec.failures)
	kept := sec.doc
	sec.mu.Unlock()
	if news && !sec.app.closed() {
		sec.app.log(slog.LevelWarn, "secret cannot be loaded", "address", sec.decl.addr.String(), "kept", kept.Current().ID,
			"error", err.Error())
	}
}

// roundsToSkip returns the number of rounds that leave a secret out after that
// many consecutive failures: 0, 1, 3, 4, 4 … A failing secret is then loaded at
// most every fifth round, so that all Apps together do not overload a store in
// trouble.
func roundsToSkip(failures int) int8 {
	return []int8{0, 0, 1, 3, 4}[min(failures, 4)]
}

// expire makes reads of sec fail because the store did not confirm the value
// for longer than limit.
func (sec *appSecret) expire(now time.Time, limit time.Duration) {
	claims.Lock()
	sec.mu.Lock()
	if now.Before(sec.lastSuccess.Add(limit)) { // a load has just confirmed it
		sec.mu.Unlock()
		claims.Unlock()
		return
	}
	if sec.letGo(now) {
		sec.mu.Unlock()
		claims.Unlock()
		sec.app.log(slog.LevelWarn, "optional secret is not set any more, its last value is read no more", "address",
			sec.decl.addr.String())
		return
	}
	cause := sec.err
	if cause == nil {
		cause = errUnavailable
	}
	err := &Error{Op: "load", Address: sec.decl.addr, Err: &staleError{limit, cause}}
	sec.stale = true
	sec.serve(failing(sec.decl, err))
	sec.mu.Unlock()
	claims.Unlock()
	sec.app.log(slog.LevelError, "secret is read no more", "address", sec.decl.addr.String(), "error", err.Error())
}
