package rotate

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/layeron-hq/secret"
)

// This file carries out an order on a settled secret: it begins a rotation or a
// change, announces, flips and prunes, always on a copy of the record and as
// one new text. A rotation must take two runs at least: announce publishes the
// new version while the old one stays current, and the flip waits for a window
// after that was confirmed. Only an immediate order, a value that is valid
// elsewhere already, and a revocation skip the first phase.

// carryOut carries out the order on a settled secret.
func (w *work) carryOut() {
	switch w.order.op {
	case orderForm, orderApply, orderRotate, orderSet, orderRollback, orderRevoke:
		if w.reform() {
			return
		}
	}
	switch w.order.op {
	case orderLook:
		if w.r.Announced == "" && !w.r.empty() && w.rotates() && w.due() {
			w.out.problem = w.full()
		}
	case orderApply:
		w.createMissing()
	case orderRotate:
		w.createMissingOr(w.rotate)
	case orderSet:
		w.set()
	case orderRollback:
		w.rollback()
	case orderRevoke:
		w.revoke()
	case orderRename:
		w.rename()
	}
}

// rotates reports whether a new value can be made without an operator.
func (w *work) rotates() bool {
	return w.spec.Kind == secret.KindRandom ||
		w.spec.Kind == secret.KindGenerated && w.spec.Generator != "" && w.desk.able(w.spec.Generator)
}

// atOnce reports whether a new value becomes current without an announcement:
// by order, because a static value is valid elsewhere already, or because a
// bare value cannot hold a second version.
func (w *work) atOnce() bool {
	return w.order.immediate || w.spec.Kind == secret.KindStatic || w.r.Bare || bare(w.spec)
}

func (w *work) createMissingOr(then func()) {
	if w.r.empty() {
		w.createMissing()
		return
	}
	then()
}

func (w *work) createMissing() {
	if !w.r.empty() {
		w.out.done = true
		return
	}
	if !w.rotates() {
		if w.out.done = w.spec.Optional && !w.order.named; !w.out.done {
			w.problem(NeedsValue, "%s", w.whoMakesIt())
		}
		return
	}
	if w.order.short {
		return // a generator's value would be made in vain
	}
	if value, res, ok := w.newValue(); ok {
		w.r.create(value, res, w.desk.policy)
		w.act(OpCreate, w.r.Current)
		w.publish(OpCreate, false, "")
		w.out.done = true
	}
}

// whoMakesIt returns the reason why no new value can be made here.
func (w *work) whoMakesIt() string {
	switch {
	case w.spec.Kind == secret.KindStatic:
		return "an operator must supply its value"
	case w.spec.Generator == "":
		return "nothing is declared that makes its value"
	}
	return fmt.Sprintf("no generator %q is registered here", w.spec.Generator)
}

// newValue returns a new value. If a generator has to make it, ok is false, and
// the record holds the name of the request before that is sent. If the last id
// is used, ok is false and the problem is recorded.
func (w *work) newValue() (value string, res *resource, ok bool) {
	if err := w.r.idsLeft(); err != nil {
		w.problem(Refused, "%w", err)
		return "", nil, false
	}
	if w.spec.Kind == secret.KindRandom {
		return w.desk.mint(w.spec), nil, true
	}
	if w.out.problem = w.full(); w.out.problem != nil {
		return "", nil, false
	}
	// The request of an earlier run is not waited for: its result is unknown, and
	// its name is swept.
	if v, ok := w.desk.made(w.spec.Address); ok {
		w.r.Making = nil
		return v.Value, v.Resource, true
	}
	w.r.Making = &making{Generator: w.spec.Generator, Name: w.desk.title(w.spec), At: w.desk.policy.now.UTC()}
	if w.desk.asks(w.spec.Generator) {
		w.r.Making.request = request{w.spec.Address.String(), maps.Clone(w.spec.Params)}
	}
	w.out.next, w.out.make = w.r, true
	return "", nil, false
}

// rotate continues a rotation, or begins one that is due. Extended lives, a
// flip, pruned versions and an announcement share one text, so that there is
// one intent at a time.
func (w *work) rotate() {
	begins := w.r.Announced == "" && !w.order.short && w.due()
	if begins && w.rotates() && !w.plainInTwoPhases() {
		// Nothing else changes before the generator has made the value.
		if w.order.value, w.resource, w.ready = w.newValue(); w.out.make {
			return
		}
		begins = w.ready || w.out.problem == nil || !errors.Is(w.out.problem, InUse)
	}
	var op Op
	timed, replaced := false, ""
	for _, id := range w.r.extend(w.spec.Rotation) {
		w.act(OpExtend, id)
		op = OpExtend
	}
	// Second phase: Ready is a window after the announcement was confirmed, and
	// after a repair Hold gives readers time to leave the text that the late
	// request brought.
	flip := w.r.Announced != "" && (w.order.immediate ||
		!w.r.Ready.IsZero() && !w.desk.policy.now.Before(w.r.Ready) && !w.desk.policy.now.Before(w.r.Hold))
	if flip {
		// The old version's life ends a window and a margin after this instant, so the
		// text is timed.
		replaced = w.r.Current
		w.r.flip(w.r.Announced, w.spec.Rotation, w.desk.policy)
		w.act(OpFlip, w.r.Current)
		op, timed = OpFlip, true
	}
	for _, id := range w.r.prune(w.desk.policy) {
		w.act(OpPrune, id)
		if op == "" {
			op = OpPrune
		}
	}
	if begins {
		if begun := w.begin(); begun != "" {
			if op, timed = begun, begun == OpFlip; timed {
				replaced = w.old.Current
			}
		}
	}
	w.out.done = w.out.problem == nil
	switch {
	case op == OpPrune && w.r.Bare:
		w.out.next = w.r // the text stays the same
	case op != "":
		w.publish(op, timed, replaced)
	}
}

// due reports whether a new version should be made now.
func (w *work) due() bool {
	if (w.order.force || w.order.immediate) && (w.order.named || w.rotates() && !w.plainInTwoPhases()) {
		return true
	}
	next := nextRotation(w.spec.Rotation, w.spec.Address, w.r.Created, w.r.Rotated)
	return !next.IsZero() && !w.desk.policy.now.Before(next)
}

// begin adds the new version: announced, or current if the order is immediate.
// It returns its action, and "" with a problem if there is no value to add.
func (w *work) begin() Op {
	switch {
	case w.ready:
		return w.replace(w.order.value, w.resource)
	case w.r.idsLeft() != nil: // newValue has recorded the problem
	case !w.rotates():
		w.problem(NeedsValue, "it is time for a new value, and %s", w.whoMakesIt())
	default:
		w.problem(PlainValue, "it is declared plain, so readers see one value only and it cannot be announced")
	}
	return ""
}

// plainInTwoPhases reports whether a rotation is impossible, because a bare
// value cannot hold an announced version.
func (w *work) plainInTwoPhases() bool {
	return (w.r.Bare || bare(w.spec)) && !w.order.immediate
}

// replace adds a value to a secret that has one, and returns its action.
func (w *work) replace(value string, res *resource) Op {
	if !w.atOnce() {
		w.r.announce(value, res, w.desk.policy)
		w.act(OpAdd, w.r.Announced)
		return OpAdd
	}
	v := w.r.append(value, res).ID
	w.r.flip(v, w.spec.Rotation, w.desk.policy)
	w.r.Rotated = w.desk.policy.now.UTC()
	op := OpFlip
	if w.order.op == orderSet {
		op = OpSet
	}
	w.act(op, v)
	return op
}

// replaceAndPublish adds a value for a set or a rollback, and publishes it.
func (w *work) replaceAndPublish(value string, res *resource) {
	old := w.r.Current
	if w.replace(value, res) == OpAdd {
		old = ""
	}
	w.out.done = true
	w.publish(w.out.actions[len(w.out.actions)-1].Action, old != "", old)
}

// set adds a value from outside.
func (w *work) set() {
	if err := checkValue(w.spec, w.order.value); err != nil {
		w.problem(Refused, "the value does not fit the declaration: %w", err)
		return
	}
	kept := w.r.Intent != nil && w.r.Intent.Unsent
	switch {
	case w.out.verdict == verdictBound || kept:
		w.keep()
	case w.r.empty():
		w.r.create(w.order.value, nil, w.desk.policy)
		w.act(OpCreate, w.r.Current)
		w.out.done = true
		w.publish(OpCreate, false, "")
	case w.r.version(w.r.Current).Value == w.order.value:
		w.out.done = true // current already
	case w.r.Announced != "" && w.r.version(w.r.Announced).Value == w.order.value:
		w.out.done = true // announced already: it becomes current
	case w.r.Announced != "":
		w.problem(AlreadyAnnounced, "version %s is announced already", w.r.Announced)
	default:
		w.replaceAndPublish(w.order.value, nil)
	}
}

// keep records a value that was set while the target holds a value of another
// writer. It records the intent as Unsent and sends nothing: the operator has
// to adopt first. Its id and generation are above those of any note of this
// ledger that was found.
func (w *work) keep() {
	if n, ours := w.desk.state.ownNote(w.r.Name, w.found.Note); ours {
		w.r.Highest = max(w.r.Highest, number(n.cur))
		w.r.Gen = max(w.r.Gen, n.gen)
	}
	if v := w.r.version(w.r.Current); v != nil {
		if v.Value == w.order.value {
			w.out.done = true
			w.keeps()
			return
		}
		v.leave(GoneWithdrawn)
	}
	w.r.Bare = bare(w.spec)
	w.r.create(w.order.value, nil, w.desk.policy)
	w.act(OpKeep, w.r.Current)
	w.out.done = true
	w.publish(OpCreate, false, "")
	if w.r.Intent != nil && w.out.next != nil {
		w.r.Intent.Unsent = true
		w.out.send = false
		w.keeps()
	}
}

func (w *work) keeps() {
	w.problem(ValueKept, "the ledger keeps the value as %s. "+
		"The target holds a value that `layer` did not make, which was not replaced", w.r.Current)
}

// rollback withdraws an announced version. If none is announced, it adds the
// value of the previous version under a new id, so that no value changes under
// an id.
func (w *work) rollback() {
	switch {
	case w.r.empty():
		w.problem(NoValue, "the ledger has no value of this secret yet")
		return
	case w.r.Announced != "":
		w.act(OpWithdraw, w.r.Announced)
		w.r.withdraw(GoneWithdrawn)
		w.out.done = true
		w.publish(OpWithdraw, false, "")
		return
	}
	v := w.r.previous()
	if v == nil {
		w.problem(NoPrevious,
			"there is no previous version to return to: either there never was one, or it was pruned or revoked")
		return
	}
	if w.works(v) {
		w.replaceAndPublish(v.Value, v.Resource)
	}
}

// revoke ends the version and every other version with the same value,
// immediately. If the current one is among them, its successor becomes current
// first: the announced version, or else a new value.
func (w *work) revoke() {
	v := w.r.version(w.order.version)
	switch {
	case v == nil && 0 < number(w.order.version) && number(w.order.version) <= w.r.Highest:
		w.out.done = true // it has left so long ago that the ledger does not keep it
		return
	case v == nil:
		w.problem(NoVersion, "it has no version %s", w.order.version)
		w.out.problem.Version = w.order.version
		return
	case v.Gone != "":
		w.out.done = true // it has left the document: no reader accepts it
		return
	}
	victims := w.r.holders(v.Value)
	timed := false
	// The document must always have a current version, so the successor comes
	// first.
	if slices.Contains(victims, w.r.Current) {
		switch {
		case w.r.Announced != "" && !slices.Contains(victims, w.r.Announced):
			w.r.flip(w.r.Announced, w.spec.Rotation, w.desk.policy)
		case !w.rotates():
			held := w.order.version + " is current"
			if w.order.version != w.r.Current {
				held = w.order.version + " has the same value as the current version " + w.r.Current +
					", so both would be revoked"
			}
			w.problem(CurrentVersion, "%s, and %s", held, w.whoMakesIt())
			w.out.problem.Version = w.order.version
			return
		default:
			value, res, ok := w.newValue()
			if !ok {
				return
			}
			w.r.flip(w.r.append(value, res).ID, w.spec.Rotation, w.desk.policy)
		}
		w.r.Rotated = w.desk.policy.now.UTC()
		w.act(OpFlip, w.r.Current)
		timed = true
	}
	for _, id := range victims {
		w.act(OpRevoke, id)
		gone := w.r.version(id)
		if id == w.r.Announced {
			w.r.withdraw(GoneRevoked)
		}
		// The only life that gets shorter: it ends now, rounded up to a second.
		gone.leave(GoneRevoked)
		gone.ExpiresAt = ceilSecond(w.desk.policy.now)
	}
	w.out.done = true
	w.publish(OpRevoke, timed, "")
}
