package resend

import (
	"bytes"

	"github.com/layeron-hq/secret/layer/rotate"
)

// A change to the ledger is one conditional request whose answer may be lost. This
// file decides, from a later read, whether the change was made. It must never
// report a change as not made while a request that is under way can still make it.

// write is a change whose outcome is not known yet.
type write struct {
	old    rotate.Revision
	next   rotate.State
	sealed []byte
	// unsure is set when the outcome of a request is unknown: it may have been
	// applied, or may still be applied.
	unsure bool
}

// found is the result of reading the engine.
type found struct {
	Blob
	state rotate.State
	err   error // why the blob cannot be opened; nil: it was opened, or there is none
}

func (f found) readable() bool { return f.Revision != "" && f.err == nil }

type verdict int

const (
	stored     verdict = iota // the change is made
	superseded                // the change is made, and a later change follows it
	waiting                   // the old revision is unchanged: the change may be sent again
	conflict                  // the change is not made, and no request under way can make it
	unknown                   // the state does not show whether the change was made
	stale                     // the state is older than the one that the change was made from
)

// decide returns the outcome of a write, given a later read.
func (w write) decide(f found) verdict {
	switch {
	case f.Revision != "" && bytes.Equal(f.Sealed, w.sealed):
		return stored
	case f.Revision == w.old:
		return waiting
	}
	if f.readable() {
		// The same change, encrypted another time: an earlier call made it.
		if id := w.next.WriteID(); id != "" && f.state.WriteID() == id {
			return stored
		}
		if f.state.Wrote(w.next.WriteID()) {
			return superseded
		}
		if f.state.Origin() == w.next.Origin() && f.state.Generation() < w.before() {
			return stale
		}
	}
	if !w.unsure || f.readable() && w.follows(f.state) {
		return conflict
	}
	return unknown
}

// before returns the generation that the change was made from.
func (w write) before() uint64 {
	if gen := w.next.Generation(); gen > 0 {
		return gen - 1
	}
	return 0
}

// follows reports whether s records every write since the change was begun. Then a
// change that s does not record was not made. No request can make it later: its
// condition names a revision that will not exist again.
func (w write) follows(s rotate.State) bool {
	return (w.old == "" || s.Origin() == w.next.Origin()) && s.Covers(w.before())
}
