package rotate

import (
	"fmt"
	"slices"

	"github.com/layeron-hq/secret"
)

// carryOut does what is ordered with a settled secret.
func (w *work) carryOut() {
	switch w.op {
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

// rotates tells whether a new value of the secret can be made without a person.
func (w *work) rotates() bool {
	return w.spec.Kind == secret.KindRandom || w.spec.Kind == secret.KindGenerated && w.spec.Generator != "" && w.able(w.spec.Generator)
}

// atOnce tells whether a new value is good everywhere as soon as it exists.
func (w *work) atOnce() bool {
	return w.immediate || w.spec.Kind == secret.KindStatic || w.spec.Format == secret.FormatPlain
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
		w.done = true
		return
	}
	if !w.rotates() {
		w.problem = fmt.Errorf("%w: %s", errExternal, w.whoMakesIt())
		return
	}
	if value, res, ok := w.newValue(); ok {
		w.r.create(value, res, w.policy)
		w.act(opCreate, w.r.Current)
		w.publish(opCreate, false, "")
		w.done = true
	}
}

func (w *work) whoMakesIt() string {
	set := fmt.Sprintf("`layer secret set '%s'` gives it one", w.spec.Address)
	switch {
	case w.spec.Kind == secret.KindStatic:
		return "only you have its value: " + set
	case w.spec.Generator == "":
		return "nothing is declared that makes its value: " + set
	}
	return fmt.Sprintf("no generator %q is known here: %s", w.spec.Generator, set)
}

// newValue makes a value, or asks for one to be made: then ok is false and the record says under which name.
func (w *work) newValue() (value string, res *resource, ok bool) {
	if w.spec.Kind == secret.KindRandom {
		return w.mint(w.spec), nil, true
	}
	if v, ok := w.made(w.spec.Address); ok {
		w.r.Making = nil
		return v.Value, v.Resource, true
	}
	w.r.Making = &making{Generator: w.spec.Generator, Name: w.title(w.spec), At: w.policy.now.UTC()}
	w.next, w.make = w.r, true
	return "", nil, false
}

// rotate goes on with a rotation, or begins one that is due.
func (w *work) rotate() {
	begins := w.r.Announced == "" && w.due()
	if begins && w.rotates() && !w.plainInTwoPhases() {
		// What a generator makes is waited for before anything changes.
		if w.value, w.resource, w.ready = w.newValue(); !w.ready {
			return
		}
	}
	var op string
	timed, replaced := false, ""
	for _, id := range w.r.extend(w.spec.Rotation) {
		w.act(opExtend, id)
		op = opExtend
	}
	flip := w.r.Announced != "" && (w.immediate ||
		!w.r.Ready.IsZero() && !w.policy.now.Before(w.r.Ready) && !w.policy.now.Before(w.r.Hold))
	if flip {
		replaced = w.r.Current
		w.r.flip(w.r.Announced, w.spec.Rotation, w.policy)
		w.act(opFlip, w.r.Current)
		op, timed = opFlip, true
	}
	for _, id := range w.r.prune(w.policy) {
		w.act(opPrune, id)
		if op == "" {
			op = opPrune
		}
	}
	if begins {
		if begun := w.begin(); begun != "" {
			if op, timed = begun, begun == opFlip; timed {
				replaced = w.old.Current
			}
		}
	}
	w.done = true
	if op != "" {
		w.publish(op, timed, replaced)
	}
}

// due tells whether a new version should be made now.
func (w *work) due() bool {
	if (w.force || w.immediate) && (w.named || w.rotates() && !w.plainInTwoPhases()) {
		return true
	}
	next := nextRotation(w.spec.Rotation, w.spec.Address, w.r.Created, w.r.Rotated)
	return !next.IsZero() && !w.policy.now.Before(next)
}

// begin brings the new version in: announced, or with immediate in use. It returns what it did.
func (w *work) begin() string {
	switch {
	case w.ready:
		return w.replace(w.value, w.resource)
	case !w.rotates():
		w.problem = fmt.Errorf("%w: it is time for a new value, and %s", errExternal, w.whoMakesIt())
	default:
		w.problem = fmt.Errorf("%w: it is declared plain, so readers see one value only and it cannot be announced: "+
			"`layer secret rotate --immediate '%s'` replaces it", errRefused, w.spec.Address)
	}
	return ""
}

func (w *work) plainInTwoPhases() bool { return w.spec.Format == secret.FormatPlain && !w.immediate }

// replace brings a further value in, and returns what it did.
func (w *work) replace(value string, res *resource) string {
	if !w.atOnce() {
		w.r.announce(value, res, w.policy)
		w.act(opAdd, w.r.Announced)
		return opAdd
	}
	v := w.r.append(value, res).ID
	w.r.flip(v, w.spec.Rotation, w.policy)
	w.r.Rotated = w.policy.now.UTC()
	op := opFlip
	if w.op == orderSet {
		op = opSet
	}
	w.act(op, v)
	return op
}

// replaceAndPublish is a change of its own that brings a value in.
func (w *work) replaceAndPublish(value string, res *resource) {
	old := w.r.Current
	if w.replace(value, res) == opAdd {
		old = ""
	}
	w.done = true
	w.publish(w.actions[len(w.actions)-1].Action, old != "", old)
}

// set brings in a value from outside.
func (w *work) set() {
	if err := checkValue(w.spec, w.value); err != nil {
		w.refuse("the value does not fit the declaration: %w", err)
		return
	}
	kept := w.r.Intent != nil && w.r.Intent.Unsent
	switch {
	case w.verdict == verdictBound || kept:
		w.keep()
	case w.r.empty():
		w.r.create(w.value, nil, w.policy)
		w.act(opCreate, w.r.Current)
		w.done = true
		w.publish(opCreate, false, "")
	case w.r.version(w.r.Current).Value == w.value:
		w.done = true
	case w.r.Announced != "":
		w.refuse("version %s is announced already: `layer secret rotate` finishes that rotation when it is due, "+
			"`layer secret rollback '%s'` takes it back", w.r.Announced, w.spec.Address)
	default:
		w.replaceAndPublish(w.value, nil)
	}
}

// keep takes the value that stands in the store already into the ledger. Nothing is published over it.
func (w *work) keep() {
	if n, ok := w.state.readNote(w.r.Name, w.seen.Note); ok {
		w.r.Highest = max(w.r.Highest, number(n.cur))
		w.r.Gen = max(w.r.Gen, n.gen)
	}
	if v := w.r.version(w.r.Current); v != nil {
		if v.Value == w.value {
			w.done = true
			w.problem = w.keeps()
			return
		}
		v.leave(goneWithdrawn)
	}
	w.r.create(w.value, nil, w.policy)
	w.act(opKeep, w.r.Current)
	w.done = true
	w.publish(opCreate, false, "")
	if w.r.Intent != nil && w.next != nil {
		w.r.Intent.Unsent = true
		w.send = false
		w.problem = w.keeps()
	}
}

func (w *work) keeps() error {
	return fmt.Errorf("%w: the ledger keeps the value as %s. A value that `layer` did not make stands in the store, and was "+
		"not replaced: `layer secret rotate --adopt-ledger` publishes the kept one over it", errDrifted, w.r.Current)
}

func (w *work) refuse(format string, args ...any) {
	w.problem = fmt.Errorf("%w: %w", errRefused, fmt.Errorf(format, args...))
}

// rollback takes an announced version back, or brings the previous version's value again.
func (w *work) rollback() {
	switch {
	case w.r.empty():
		w.refuse("the ledger holds no value of it yet: `layer secret apply` or `layer secret set` brings the first")
		return
	case w.r.Announced != "":
		w.act(opWithdraw, w.r.Announced)
		w.r.withdraw(goneWithdrawn)
		w.done = true
		w.publish(opWithdraw, false, "")
		return
	}
	v := w.r.previous()
	if v == nil {
		w.refuse("there is no previous version: it was pruned, revoked or never there. `layer secret set` or " +
			"`layer secret rotate --now` makes a new one")
		return
	}
	w.replaceAndPublish(v.Value, v.Resource)
}

// revoke takes every version that holds the value of one out of the world.
func (w *work) revoke() {
	v := w.r.version(w.version)
	switch {
	case v == nil:
		w.refuse("it has no version %s: `layer secret status --json` lists those that it has", w.version)
		return
	case v.Gone != "":
		w.done = true // nobody accepts it any more
		return
	}
	victims := w.r.holders(v.Value)
	timed := false
	if slices.Contains(victims, w.r.Current) {
		switch {
		case w.r.Announced != "" && !slices.Contains(victims, w.r.Announced):
			w.r.flip(w.r.Announced, w.spec.Rotation, w.policy)
		case !w.rotates():
			w.refuse("%s is current, and %s first", w.version, w.whoMakesIt())
			return
		default:
			value, res, ok := w.newValue()
			if !ok {
				return
			}
			w.r.flip(w.r.append(value, res).ID, w.spec.Rotation, w.policy)
		}
		w.r.Rotated = w.policy.now.UTC()
		w.act(opFlip, w.r.Current)
		timed = true
	}
	for _, id := range victims {
		w.act(opRevoke, id)
		gone := w.r.version(id)
		if id == w.r.Announced {
			w.r.withdraw(goneRevoked)
		}
		gone.leave(goneRevoked)
		gone.ExpiresAt = ceilSecond(w.policy.now)
	}
	w.done = true
	w.publish(opRevoke, timed, "")
}
