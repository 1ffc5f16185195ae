package resend

import (
	"bytes"

	"github.com/layeron-hq/secret/layer/rotate"
)

// write is a change that is being made.
type write struct {
	old    rotate.Revision
	next   rotate.State
	sealed []byte
	unsure bool // the outcome of some request is not known: one may have been carried out, or be carried out yet
}

// found is what a look at the engine has shown.
type found struct {
	Blob
	state rotate.State
	err   error // why it cannot be opened
}

func (f found) readable() bool { return f.Revision != "" && f.err == nil }

type verdict int

const (
	stored     verdict = iota // the change is made
	superseded                // it is made, and somebody has built on it
	waiting                   // nothing has changed yet: it may be sent again
	conflict                  // it is not made, and no request that is under way can make it
	unknown                   // nobody can tell
	stale                     // what was found is older than what the change was made from
)

// decide tells what has become of a write.
func (w write) decide(f found) verdict {
	switch {
	case f.Revision != "" && bytes.Equal(f.Sealed, w.sealed):
		return stored
	case f.Revision == w.old:
		return waiting
	}
	if f.readable() {
		// Another sealing of the same change: an earlier call made it.
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

// before is the generation that the change was made from.
func (w write) before() uint64 {
	if gen := w.next.Generation(); gen > 0 {
		return gen - 1
	}
	return 0
}

// follows tells whether s records every write since the change was begun, so that one which is not recorded was not made. It
// can't be made any more either: the revision that it waits for is gone for good.
func (w write) follows(s rotate.State) bool {
	return (w.old == "" || s.Origin() == w.next.Origin()) && s.Covers(w.before())
}
