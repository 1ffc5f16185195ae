package secret

import (
	"cmp"
	"errors"
	"log/slog"
	"time"
)

// An optional secret has two good states: a document, and no value in the
// store. In the second one reads return ErrNotFound from memory, and the rounds
// and hints load the secret like any other. A value that the store has no more
// is a failed load: as for every secret, the last good document stays, until
// MaxStale has passed.

// lacks reports whether a load failed only because an optional secret has no
// value.
func (sec *appSecret) lacks(err error) bool { return sec.decl.Optional && errors.Is(err, ErrNotFound) }

// keepMissing records a load that found no value for an optional secret. It
// returns false if a later load has been published.
func (sec *appSecret) keepMissing(f *flight) bool {
	claims.Lock()
	sec.mu.Lock()
	kept := sec.doc != nil && !sec.stale
	recovered := sec.state != nil || sec.stale
	later := f.number < sec.published // than this load is one that was published already
	if !kept && !later {
		sec.published = f.number
		sec.cache.replaced(f)
		sec.setMissing(f.err, cmp.Or(f.confirmed, time.Now()))
	}
	sec.mu.Unlock()
	claims.Unlock()
	if later {
		return false
	}
	sec.save(f)
	switch {
	case kept:
		sec.failed(f.err)
	case recovered:
		sec.app.log(slog.LevelInfo, "secret store can be read again: the optional secret is not set", "address",
			sec.decl.addr.String())
	}
	return true
}

// setMissing makes reads return err, which wraps ErrNotFound. The caller holds
// claims and mu.
func (sec *appSecret) setMissing(err error, now time.Time) {
	old := sec.known()
	sec.becomesLive()
	if sec.doc != nil {
		sec.unset++
	}
	sec.missing, sec.doc, sec.err, sec.state = true, nil, nil, nil
	sec.lastSuccess, sec.failedSince = now, time.Time{}
	sec.failures, sec.skip, sec.stale = 0, 0, false
	sec.serve(failing(sec.decl, err))
	sec.tell(old, wallClock())
}

// unset takes the place of the document of an optional secret that has no value.
var unset = new(Document)

// known returns the document of the last good load, or unset. It is nil before
// the first one. The caller holds mu.
func (sec *appSecret) known() *Document {
	if sec.missing {
		return unset
	}
	return sec.doc
}

// letGo ends the reads of a value that the store has had no more for MaxStale.
// It returns false if that is not the state of the secret. The caller holds
// claims and mu.
func (sec *appSecret) letGo(now time.Time) bool {
	if sec.doc == nil || !sec.lacks(sec.err) {
		return false
	}
	sec.cache.replaced(new(flight))
	sec.setMissing(sec.err, now)
	return true
}
