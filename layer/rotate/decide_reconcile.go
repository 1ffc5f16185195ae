package rotate

import "github.com/layeron-hq/secret/driver"

// This file is the first step of every decision: it compares the record of a
// secret with the state of its value in the target, and returns the row of the
// state table that applies. It must hold that a value of another writer is
// never overwritten without an order to adopt, and that a text in the target
// never leads the run to trust an id or a generation unless this ledger signed
// its note.

// verdict is a row of the state table: the result of the comparison.
type verdict string

const (
	verdictNothing verdict = "nothing" // neither ledger nor target has a value
	verdictBound   verdict = "bound"   // the target has another writer's value, the ledger has none
	verdictSettled verdict = "settled" // the target holds the confirmed text
	verdictConfirm verdict = "confirm" // the target holds the intent
	verdictResend  verdict = "resend"  // it does not hold the intent: send the same bytes
	verdictFresh   verdict = "fresh"   // the intent is too old: send it with fresh times
	verdictRepair  verdict = "repair"  // a late request was, or may have been, in the target
	verdictMissing verdict = "missing" // the target has lost the value
	verdictWaiting verdict = "waiting" // the target has the intent, but readers cannot read it yet
	verdictDrifted verdict = "drifted" // another writer changed the value: the operator decides
	verdictAhead   verdict = "ahead"   // a later generation: an old ledger, or a second one
)

// sighting is the result of Inspect for one secret.
type sighting struct {
	driver.Published
	exists bool
	// The following fields are set only for a target that is a driver.Recognizer.
	recognized bool // the target is one
	own        bool // the value is that of the intent, independent of its note
	sent       bool // this ledger sent the value, now or before
}

// foreign reports whether the value is certainly none that this ledger sent.
func (s sighting) foreign() bool { return s.recognized && s.exists && !s.sent }

// reconcile compares one record, which may be nil, with the state of the
// target. It implements the state table of the package documentation. The order
// of the cases matters: a case may rely on all cases above it.
func (s *state) reconcile(r *record, found sighting, name string, p policy) verdict {
	n, ours := s.ownNote(name, found.Note)
	if r.empty() {
		switch {
		case !found.exists:
			return verdictNothing
		case ours && r != nil && n.gen <= r.Gen: // a late request for a removed secret
			return verdictNothing
		case ours && !n.former:
			return verdictAhead
		}
		return verdictBound
	}
	if r.Intent != nil {
		return r.reconcileIntent(n, ours, found, p)
	}
	pub := r.Published
	switch {
	case pub == nil || !found.exists:
		return verdictMissing
	case !ours:
		return verdictDrifted
	case n.gen > pub.Gen:
		return n.ahead()
	case found.foreign():
		return verdictDrifted
	case n.gen < pub.Gen:
		return verdictRepair
	case found.Note != pub.Note:
		return n.ahead() // the same generation with another text: a second ledger
	case found.Modified == pub.Modified:
		return verdictSettled
	case found.recognized, pub.At.Before(r.Stray):
		// The note is the published one, but the value was written since. A recognized
		// text is an earlier one that a late request brought back. Otherwise a late
		// request may have replaced the text for a time, if one was still possible
		// after the confirmation.
		return verdictRepair
	}
	return verdictDrifted
}

// ahead returns the verdict for a note that the ledger does not record: one of
// a later generation, or another one of the same generation. A note under a
// former key proves no later ledger, since the removed recipient may have
// signed it.
func (n note) ahead() verdict {
	if n.former {
		return verdictDrifted
	}
	return verdictAhead
}

// reconcileIntent returns the verdict while an intent is recorded. The request
// may have been sent or not, applied or not, and may still be late. So the
// intent is confirmed, sent again with the same bytes, or replaced by one with
// fresh times; its values are never generated again.
func (r *record) reconcileIntent(n note, ours bool, found sighting, p policy) verdict {
	in := r.Intent
	// An instant far in the future was recorded by a clock that was ahead. Lives
	// must not count from it, either.
	late := in.Timed && (p.now.After(in.At.Add(p.fresh())) || in.At.After(p.now.Add(p.fresh())))
	again := verdictResend
	if late {
		again = verdictFresh
	}
	switch {
	case !found.exists:
		return again
	case !ours && found.own && !in.Unsent:
		return again // a crash after the value was written and before its note was
	case !ours:
		return verdictDrifted
	case n.gen > r.Gen, n.gen == r.Gen && found.Note != in.Note:
		return n.ahead()
	case found.foreign():
		return verdictDrifted
	case n.gen == r.Gen && found.recognized && !found.own:
		return again // a late request brought an earlier text back
	case n.gen == r.Gen && found.Pending:
		return verdictWaiting
	case n.gen == r.Gen && late:
		return verdictFresh
	case n.gen == r.Gen:
		return verdictConfirm
	case r.Published != nil && n.gen < r.Published.Gen:
		return verdictRepair
	}
	return again
}
