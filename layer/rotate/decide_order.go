package rotate

import (
	"fmt"
	"slices"

	"github.com/layeron-hq/secret"
)

// carryOut carries out the order on a settled secret.
func (w *work) carryOut() {
	switch w.order.op {
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

// rotates reports whether a new value of the secret can be made without a person.
func (w *work) rotates() bool {
	return w.spec.Kind == secret.KindRandom || w.spec.Kind == secret.KindGenerated && w.spec.Generator != "" && w.desk.able(w.spec.Generator)
}

// atOnce reports whether a new value is good everywhere as soon as it exists.
func (w *work) atOnce() bool {
	return w.order.immediate || w.spec.Kind == secret.KindStatic || w.spec.Format == secret.FormatPlain
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
		w.problem(NeedsValue, "%s", w.whoMakesIt())
		return
	}
	if value, res, ok := w.newValue(); ok {
		w.r.create(value, res, w.desk.policy)
		w.act(OpCreate, w.r.Current)
		w.publish(OpCreate, false, "")
		w.out.done = true
	}
}

func (w *work) whoMakesIt() string {
	switch {
	case w.spec.Kind == secret.KindStatic:
		return "only you have its value"
	case w.spec.Generator == "":
		return "nothing is declared that makes its value"
	}
	return fmt.Sprintf("no generator %q is known here", w.spec.Generator)
}

// newValue makes a value, or asks for one to be made: then ok is false and the record says under which name. Where the last
// id is used it does neither, and the problem is recorded.
func (w *work) newValue() (value string, res *resource, ok bool) {
	if err := w.r.idsLeft(); err != nil {
		w.problem(Refused, "%w", err)
		return "", nil, false
	}
	if w.spec.Kind == secret.KindRandom {
		return w.desk.mint(w.spec), nil, true
	}
	if v, ok := w.desk.made(w.spec.Address); ok {
		w.r.Making = nil
		return v.Value, v.Resource, true
	}
	w.r.Making = &making{Generator: w.spec.Generator, Name: w.desk.title(w.spec), At: w.desk.policy.now.UTC()}
	w.out.next, w.out.make = w.r, true
	return "", nil, false
}

// rotate goes on with a rotation, or begins one that is due.
func (w *work) rotate() {
	begins := w.r.Announced == "" && w.due()
	if begins && w.rotates() && !w.plainInTwoPhases() {
		// A generator's value is waited for before anything changes.
		if w.order.value, w.resource, w.ready = w.newValue(); w.out.make {
			return
		}
	}
	var op Op
	timed, replaced := false, ""
	for _, id := range w.r.extend(w.spec.Rotation) {
		w.act(OpExtend, id)
		op = OpExtend
	}
	flip := w.r.Announced != "" && (w.order.immediate ||
		!w.r.Ready.IsZero() && !w.desk.policy.now.Before(w.r.Ready) && !w.desk.policy.now.Before(w.r.Hold))
	if flip {
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
	if op != "" {
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

// begin brings the new version in: announced, or with immediate in use. It returns its action.
func (w *work) begin() Op {
	switch {
	case w.ready:
		return w.replace(w.order.value, w.resource)
	case w.r.idsLeft() != nil: // said already
	case !w.rotates():
		w.problem(NeedsValue, "it is time for a new value, and %s", w.whoMakesIt())
	default:
		w.problem(PlainValue, "it is declared plain, so readers see one value only and it cannot be announced")
	}
	return ""
}

func (w *work) plainInTwoPhases() bool {
	return w.spec.Format == secret.FormatPlain && !w.order.immediate
}

// replace brings a further value in, and returns its action.
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

// replaceAndPublish is a change of its own that brings a value in.
func (w *work) replaceAndPublish(value string, res *resource) {
	old := w.r.Current
	if w.replace(value, res) == OpAdd {
		old = ""
	}
	w.out.done = true
	w.publish(w.out.actions[len(w.out.actions)-1].Action, old != "", old)
}

// set brings in a value from outside.
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
		w.out.done = true
	case w.r.Announced != "":
		w.problem(AlreadyAnnounced, "version %s is announced already", w.r.Announced)
	default:
		w.replaceAndPublish(w.order.value, nil)
	}
}

// keep takes the value that is in the store already into the ledger. Nothing is published over it.
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
	w.problem(ValueKept, "the ledger keeps the value as %s. A value that `layer` did not make stands in the store, and was not replaced",
		w.r.Current)
}

// rollback takes an announced version back, or brings the previous version's value again.
func (w *work) rollback() {
	switch {
	case w.r.empty():
		w.problem(NoValue, "the ledger holds no value of it yet")
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
		w.problem(NoPrevious, "there is no previous version: it was pruned, revoked or never there")
		return
	}
	w.replaceAndPublish(v.Value, v.Resource)
}

// revoke takes every version that holds the value of one out of the world.
func (w *work) revoke() {
	v := w.r.version(w.order.version)
	switch {
	case v == nil:
		w.problem(NoVersion, "it has no version %s", w.order.version)
		w.out.problem.Version = w.order.version
		return
	case v.Gone != "":
		w.out.done = true // nobody accepts it any more
		return
	}
	victims := w.r.holders(v.Value)
	timed := false
	if slices.Contains(victims, w.r.Current) {
		switch {
		case w.r.Announced != "" && !slices.Contains(victims, w.r.Announced):
			w.r.flip(w.r.Announced, w.spec.Rotation, w.desk.policy)
		case !w.rotates():
			w.problem(CurrentVersion, "%s is current, and %s", w.order.version, w.whoMakesIt())
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
		gone.leave(GoneRevoked)
		gone.ExpiresAt = ceilSecond(w.desk.policy.now)
	}
	w.out.done = true
	w.publish(OpRevoke, timed, "")
}
