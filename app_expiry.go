package secret

import (
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
)

// longestWait is the longest time until the App looks at the clock again while
// a version is going to expire. A timer does not notice that the clock is set
// or that the machine was suspended. The look asks no store.
const longestWait = time.Minute

// wallClock returns the time without its monotonic reading: a version expires
// by the wall clock, which may be set.
func wallClock() time.Time { return time.Now().Round(0) }

// told records the Changes that an App has sent for a secret.
type told struct {
	doc     *Document // that the last Change was about
	seen    time.Time // the time of the last Change
	nextEnd time.Time // when the next version of doc expires; zero: none will
	since   *Change   // all changes since Start; nil: none
}

// tell sends a Change if the document is another one than at the last Change,
// or if versions have expired since. old is the document before this call. A
// secret that was swapped to another store, or that another App serves, has no
// changes here. The caller holds claims and sec.mu, so that changes are sent in
// their order.
func (sec *appSecret) tell(old *Document, now time.Time) {
	was, doc := sec.told, sec.known()
	if was == nil {
		was = &told{doc: old} // no version of old expires, so seen has no meaning
	}
	switch {
	case doc == nil:
		return
	case !sec.serves():
		sec.told = was
		return
	case was.doc == doc && !was.due(now):
		sec.app.wakeAt(was.nextEnd, now)
		return
	}
	is := &told{doc: doc, seen: now, nextEnd: nextEnd(doc.data(), now), since: was.since}
	if was.doc != nil {
		c := difference(sec.decl.addr, was.doc, was.seen, doc, now)
		if was.doc != doc || c.hasIDs() {
			sec.app.changes.send(c)
			is.since = is.since.then(c)
		}
	}
	sec.told = is.orNil()
	sec.app.wakeAt(is.nextEnd, now)
}

// orNil returns nil if t holds nothing. It saves memory: most documents have no
// version that expires.
func (t *told) orNil() *told {
	if t.since == nil && nextEnd(t.doc.data(), time.Time{}).IsZero() {
		return nil
	}
	return t
}

// beginChanges forgets the changes before Start.
func (sec *appSecret) beginChanges() {
	claims.Lock()
	defer claims.Unlock()
	if sec.told != nil {
		sec.told.since = nil
		sec.told = sec.told.orNil()
	}
}

// due reports whether a version has expired since the last Change, or the clock
// was set back.
func (t *told) due(now time.Time) bool {
	return !t.nextEnd.IsZero() && !now.Before(t.nextEnd) || now.Before(t.seen)
}

// serves reports whether a reader returns the documents of sec. The caller
// holds claims.
func (sec *appSecret) serves() bool {
	for _, s := range sec.readers {
		if s.loader.Load() == &sec.loader {
			return true
		}
	}
	return false
}

// tellExpired sends a Change for every secret with a version that has expired
// by now.
func (a *App) tellExpired(now time.Time) {
	for _, sec := range a.used() {
		claims.Lock()
		sec.mu.Lock()
		sec.tell(sec.known(), now)
		sec.mu.Unlock()
		claims.Unlock()
	}
}

// expiryTimer is an App's one timer for all versions that will expire. It is
// set only while a function is registered.
type expiryTimer struct {
	timer *time.Timer
	rings time.Time // when; zero: it is not set
	next  time.Time // when the next version of all secrets expires; zero: none will
	seen  time.Time // the clock, when it was last looked at
}

func (t *expiryTimer) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
	t.rings, t.next, t.seen = time.Time{}, time.Time{}, time.Time{}
}

// wakeAt sets the timer for a version that expires at next. Zero: none will.
func (a *App) wakeAt(next, now time.Time) {
	f := &a.changes
	f.mu.Lock()
	defer f.mu.Unlock()
	if !timeout.Timers || next.IsZero() || f.closed || len(f.listeners) == 0 {
		return
	}
	t := &f.expiry
	t.next = earlier(t.next, next)
	if now.After(t.seen) {
		t.seen = now
	}
	at := earlier(t.next, now.Add(longestWait))
	switch {
	case t.timer == nil:
		t.timer = time.AfterFunc(at.Sub(now), func() { a.ring(wallClock()) })
	case t.rings.IsZero() || at.Before(t.rings):
		t.timer.Reset(at.Sub(now))
	default:
		return
	}
	t.rings = at
}

// ring is the function of the timer. It looks at the secrets only if a version
// has expired, or the clock was set back.
func (a *App) ring(now time.Time) {
	f := &a.changes
	f.mu.Lock()
	t := &f.expiry
	next, due := t.next, !now.Before(t.next) || now.Before(t.seen)
	t.rings, t.seen = time.Time{}, now
	if due {
		t.next = time.Time{} // tellExpired finds it again
	}
	f.mu.Unlock()
	if due {
		a.tellExpired(now)
	} else {
		a.wakeAt(next, now)
	}
}
