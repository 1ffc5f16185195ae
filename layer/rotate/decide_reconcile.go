package rotate

import "github.com/layeron-hq/secret/driver"

// verdict is what a secret's record and the store say together.
type verdict string

const (
	verdictNothing verdict = "nothing" // neither ledger nor store has a value
	verdictBound   verdict = "bound"   // the store has somebody's value, the ledger none
	verdictSettled verdict = "settled" // the store holds what the ledger says
	verdictConfirm verdict = "confirm" // the store holds the intent
	verdictResend  verdict = "resend"  // it does not: the same bytes again
	verdictFresh   verdict = "fresh"   // too late: the same with times that count from now
	verdictRepair  verdict = "repair"  // a stray request was or may have been there
	verdictMissing verdict = "missing" // the store has lost the value
	verdictWaiting verdict = "waiting" // the store has the intent, and readers cannot read it yet
	verdictDrifted verdict = "drifted" // somebody else changed it: a person decides
	verdictAhead   verdict = "ahead"   // the store knows more than the ledger: an old ledger, or a second one
)

// sighting is what Inspect found of one secret.
type sighting struct {
	driver.Published
	exists bool
	// The rest is known of a target that is a driver.Recognizer.
	recognized bool // it is one
	own        bool // the value is the intent's, whatever the note says
	sent       bool // this ledger has sent the value, now or before
}

// foreign reports whether the value is certainly none that this ledger has sent.
func (s sighting) foreign() bool { return s.recognized && s.exists && !s.sent }

// reconcile compares one record, which may be nil, with what the store shows. It is the table of the package's
// documentation.
func (s *state) reconcile(r *record, found sighting, name string, p policy) verdict {
	n, ours := s.ownNote(name, found.Note)
	if r.empty() {
		switch {
		case !found.exists:
			return verdictNothing
		case ours && r != nil && n.gen <= r.Gen: // a stray request for what was removed since
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
		return verdictRepair // a late request brought an older text back, or may have come and gone
	}
	return verdictDrifted
}

// ahead is the verdict on a note of a later generation than the ledger's. Under a
// former key it proves no later ledger: the one who left may have made it.
func (n note) ahead() verdict {
	if n.former {
		return verdictDrifted
	}
	return verdictAhead
}

func (r *record) reconcileIntent(n note, ours bool, found sighting, p policy) verdict {
	in := r.Intent
	// A clock that was far ahead recorded an instant that is no time to count from.
	late := in.Timed && (p.now.After(in.At.Add(p.fresh())) || in.At.After(p.now.Add(p.fresh())))
	again := verdictResend
	if late {
		again = verdictFresh
	}
	switch {
	case !found.exists:
		return again
	case !ours && found.own && !in.Unsent:
		return again // the value is in, its note is not
	case !ours:
		return verdictDrifted
	case n.gen > r.Gen, n.gen == r.Gen && found.Note != in.Note:
		return n.ahead()
	case found.foreign():
		return verdictDrifted
	case n.gen == r.Gen && found.recognized && !found.own:
		return again // a late request brought an older text back
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
