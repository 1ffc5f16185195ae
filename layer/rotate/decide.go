package rotate

import (
	"errors"
	"fmt"

	"github.com/layeron-hq/secret"
)

// This file decides: from the record of one secret, the state of its value in
// the target and the operator's order it computes the next record, without any
// I/O. An unfinished step of an earlier run comes first: nothing new begins for
// a secret before the target has confirmed its last intent. A value that was
// made once is never made again for the same step, and a text leaves only after
// its intent is in the ledger.

// order is a run's task for one secret.
type order struct {
	op        string         // one of the constants below
	force     bool           // rotate before the schedule says so
	named     bool           // the operator named this secret
	immediate bool           // both phases at once
	adopt     bool           // overwrite a contradicting value in the target
	short     bool           // the target has no room for a new version
	whole     bool           // carried out with the run's other orders, in one change, or not at all
	value     string         // for orderSet
	version   string         // for orderRevoke: an id
	highest   int            // the highest id when this run first loaded the ledger
	source    secret.Address // for orderRename: the present address of the versions
	from      *record        // for orderRename: the record of source
}

const (
	orderSettle   = ""       // only finish the steps of earlier runs
	orderLook     = "look"   // the same, and report a text that cannot get its declared form
	orderForm     = "form"   // finish them, and publish a text in its declared form
	orderApply    = "apply"  // create a missing value
	orderRotate   = "rotate" // begin or continue a rotation, and prune
	orderSet      = "set"
	orderRollback = "rollback"
	orderRevoke   = "revoke"
	orderRename   = "rename"
)

// decision is the result for one secret in one pass.
type decision struct {
	verdict   verdict
	next      *record // nil: the record does not change
	actions   []Action
	send      bool     // publish the intent of next
	create    bool     // under a name without a value in the target
	also      *record  // another record that changes in the same commit
	make      bool     // a generator has to make a value first
	test      *version // an older value that must work, and has to be tested first
	done      bool     // the order was carried out, or there was nothing to do
	problem   *Problem // why an operator is needed, or the failure
	adopts    bool     // the operator's order overwrites the value in the target
	finished  *Problem // a forced rotation has only finished an earlier one
	confirmed *record  // the record after the confirmation, kept if the order fails
}

// desk holds the inputs of a decision that do not belong to one secret. None of
// its functions does I/O.
type desk struct {
	policy policy
	state  *state
	mint   func(secret.SpecSecret) string             // returns a random value
	made   func(secret.Address) (version, bool)       // returns a generator's value of this run
	title  func(secret.SpecSecret) string             // returns a name for a generator's resource
	able   func(generator string) bool                // reports whether it is registered
	asks   func(generator string) bool                // reports whether it is a driver.RequestGenerator
	most   func(secret.SpecSecret) int                // see driver.Bounded; 0: any number
	tests  func(secret.SpecSecret) bool               // reports whether the generator is a driver.Tester
	tested func(secret.Address) (tested, bool)        // returns the result for an older value
	sent   func(secret.Address) (gen uint64, ok bool) // this run's request, and if it was answered
	judge  func(verdict, sighting, *record) verdict   // replaces a verdict: for tests
	sum    func(text string) string                   // see run.sum
	by     string                                     // the operator
	loses  bool                                       // the operator agrees that ids stop resolving
}

// work is the decision on one secret in progress.
type work struct {
	desk  *desk
	spec  secret.SpecSecret
	name  string  // the declared one
	old   *record // as it was loaded, or nil
	r     *record // a copy to change
	found sighting
	order order
	out   decision

	resource *resource // of the new value
	ready    bool      // a generator has made the new value
}

// decide settles one secret by the state of the target, and then carries out
// the order. The result depends on the arguments alone, and on the random bytes
// of mint and title.
func (d *desk) decide(spec secret.SpecSecret, name string, r *record, found sighting, o order) decision {
	w := &work{desk: d, spec: spec, name: name, old: r, found: found, order: o}
	if r == nil {
		r = &record{Address: spec.Address, Kind: spec.Kind, Name: name}
	}
	w.r = r.clone()
	w.r.capInstants(d.policy)
	w.r.Kind, w.r.Binding = spec.Kind, ""
	if spec.Binding != spec.Address.Binding() {
		w.r.Binding = spec.Binding
	}
	if w.r.Name == "" || w.r.empty() {
		w.r.Name = name
	}
	if w.r.empty() {
		w.r.Bare = bare(spec)
	}
	if w.r.Name != name && o.op != orderRename {
		w.problem(NewName, "the declaration now names its value %q in the target, and it was published there as %q",
			name, w.r.Name)
		w.out.verdict = verdictSettled
		return w.out
	}
	if w.r.empty() && found.exists {
		if other, ok := d.state.leftBy(name); ok && other != spec.Address {
			w.problem(FormerName, "the target still holds a value of %s under its former name %s", other, name)
			w.out.problem.Other, w.out.verdict = other, verdictBound
			return w.out
		}
	}
	switch {
	case o.op == orderRename && o.from.Name == name:
		w.out.verdict = verdictSettled // the value keeps its name in the target
		w.rename()
	case w.settle():
		w.carryOut()
	}
	// The order failed and nothing is to be sent: record the confirmation alone.
	if w.out.problem != nil && !w.out.send && !w.out.make && len(w.out.actions) == 0 {
		w.out.next = w.out.confirmed
	}
	if w.out.problem == nil && !w.out.send && !w.out.make && o.op != orderSettle {
		_, _, w.out.problem = w.reformed()
	}
	w.abandon(r)
	return w.out
}

// abandon gives up a request to a generator if no order needs its result. The
// name of the request is then swept.
func (w *work) abandon(r *record) {
	if r.Making == nil || w.out.make || w.out.next != nil && w.out.next.Making != r.Making {
		return
	}
	if w.out.next == nil {
		w.out.next = r.clone()
	}
	w.out.next.Making = nil
}

// notBegun are the ends of messages for an order that did not begin, because an
// earlier text had to be confirmed first and was not. The order is not in the
// ledger either.
var notBegun = map[string]string{
	orderSet:      ". The new value is not recorded: set it again then",
	orderRollback: ". Nothing was rolled back: order it again then",
	orderRevoke:   ". Nothing was revoked: order it again then",
	orderRename:   ". Nothing was renamed: order it again then",
}

// problem records why an operator is needed, or the failure.
func (w *work) problem(kind Kind, format string, args ...any) {
	w.out.problem = problemf(kind, format, args...).of(w.spec.Address)
}

func (w *work) act(op Op, id string) {
	w.out.actions = append(w.out.actions, Action{Address: w.spec.Address, Action: op, Version: id})
}

// finish records an action that finishes the intent of another run, with its
// operator.
func (w *work) finish(op Op) {
	w.act(op, w.r.Current)
	w.out.actions[len(w.out.actions)-1].By = w.r.Intent.By
}

// settle carries out the verdict. It returns true if nothing is left to
// confirm, so that the order may begin. Every case that sends a text returns
// false: the target must confirm that text first.
func (w *work) settle() bool {
	w.out.verdict = w.desk.judge(w.desk.state.reconcile(w.old, w.found, w.r.Name, w.desk.policy), w.found, w.old)
	if w.out.verdict == verdictConfirm && w.wasOrdered() {
		w.order.force, w.order.immediate = false, false
	}
	gen, answered := w.desk.sent(w.spec.Address)
	mine := w.r.Intent != nil && gen == w.r.Gen // sent by this run: not again
	switch w.out.verdict {
	case verdictNothing, verdictSettled:
		return true
	case verdictBound:
		switch w.order.op {
		case orderSet, orderRollback, orderRevoke, orderRename:
			return true // each handles the value itself
		}
		if w.spec.Rotation != nil {
			w.problem(Bound, "the target holds a value that `layer` did not make, so nothing can rotate it")
		}
		return false
	case verdictConfirm:
		// The target shows the intent byte for byte, and readers can read it.
		if !mine {
			w.finish(OpConfirm)
		}
		w.r.confirm(w.found.Published, mine && answered, w.desk.policy)
		w.out.next, w.out.confirmed = w.r, w.r.clone()
		return true
	case verdictWaiting:
		w.problem(Unsettled, "the target has accepted the text, and readers cannot read it yet: the next run confirms it")
		return false
	case verdictResend:
		if mine {
			w.problem(Unsettled, "the target does not hold the text that was sent to it. "+
				"The text is recorded in the ledger, and the next run sends it again%s", notBegun[w.order.op])
			return false
		}
		// Another run may have sent the intent, and its request may still be late. So
		// the record must say, before the second request leaves, that there are two:
		// Taken, and Stray for a margin.
		in := *w.r.Intent
		in.Taken, in.Unsent = !in.Unsent, false
		w.out.done = w.order.op == orderRotate && w.wasOrdered()
		w.r.Intent = &in
		w.r.Stray = later(w.r.Stray, w.desk.policy.now.Add(w.desk.policy.margin).UTC())
		w.finish(OpPublish)
		w.out.next, w.out.send, w.out.create = w.r, true, !w.found.exists
		return false
	case verdictFresh:
		// Lives in the recorded text began at intent.At, and no reader may have it yet.
		// The same ids and values get a new generation with times that count from now.
		in := *w.r.Intent
		w.r.Stray = later(w.r.Stray, w.desk.policy.now.Add(w.desk.policy.margin).UTC())
		w.r.retime(w.spec.Rotation, w.desk.policy, &in)
		w.act(OpRefresh, w.r.Current)
		w.publish(in.Op, true, in.Replaced)
		return false
	case verdictRepair:
		// Readers may have used the text that a late request brought back.
		op, replaced := OpRepair, ""
		if in := w.r.Intent; in != nil && in.Timed {
			w.r.retime(w.spec.Rotation, w.desk.policy, in)
			replaced = in.Replaced
		}
		w.r.repair(w.spec.Rotation, w.desk.policy)
		w.act(OpRepair, w.r.Current)
		w.publish(op, true, replaced)
		return false
	case verdictMissing:
		// Before it was lost, the value may have been one that a late request brought
		// back. Readers have to see an announced version again: its window begins anew.
		op := OpPublish
		if w.r.Published != nil && w.r.Published.At.Before(w.r.Stray) {
			op = OpRepair
			w.r.repair(w.spec.Rotation, w.desk.policy)
		}
		w.r.Ready = noTime
		w.act(op, w.r.Current)
		w.publish(op, op == OpRepair, "")
		return false
	}
	if mine && w.order.adopt {
		w.problem(Unsettled, "the target does not hold the text that was sent to it. "+
			"The text is recorded in the ledger, and the next run sends it again")
		return false
	}
	return w.contradicted()
}

// wasOrdered reports whether the intent makes a new version current, which is
// the task of a forced rotation. Such an intent is finished, and the rotation
// is not done a second time. If the version was recorded before this run first
// loaded the ledger, the result reports that another run made it.
func (w *work) wasOrdered() bool {
	in := w.r.Intent
	if in == nil || in.Op != OpFlip && in.Op != OpCreate {
		return false
	}
	if forced := w.order.force || w.order.immediate; forced && number(w.r.Current) <= w.order.highest {
		w.out.finished = &Problem{Kind: NotMade, Address: w.spec.Address, Version: w.r.Current,
			Err: fmt.Errorf("this run has finished %s%s, and made no version of its own",
				w.r.Current, recordedBy(in.By))}
	}
	return true
}

func recordedBy(operator string) string {
	if operator == "" {
		return ", which an earlier run had recorded"
	}
	return ", which " + operator + " had recorded before"
}

// contradicted handles a target that contradicts the ledger: it holds another
// writer's value, or a later generation. Only an order to adopt continues, with
// a generation above the one that was found.
func (w *work) contradicted() bool {
	n, ours := w.desk.state.ownNote(w.r.Name, w.found.Note)
	if w.order.op == orderSet && w.r.Intent != nil && w.r.Intent.Unsent && w.out.verdict == verdictDrifted {
		return true // another value instead of one that only the ledger holds
	}
	if w.order.adopt && w.r.empty() {
		w.problem(ValueUnknown, "the target holds a value and the ledger has none for it")
		return false
	}
	if !w.order.adopt {
		switch {
		case w.out.verdict == verdictAhead:
			w.problem(Ahead, "its value has a later generation. "+
				"This ledger is an old copy, or a second ledger: get the newest copy")
		case w.r.Intent != nil && w.r.Intent.Unsent:
			w.problem(ValueKept, "the target holds a value that `layer` did not make. "+
				"The ledger keeps the value that was set")
		default:
			w.problem(Drifted, "the value in the target, or its note, was changed by something other than `layer` "+
				"after the last confirmation. The ledger still has its own value")
		}
		return false
	}
	if ours {
		w.r.Gen = max(w.r.Gen, n.gen)
		w.r.Highest = max(w.r.Highest, number(n.cur))
		if number(w.r.Announced) > 0 && number(w.r.Announced) <= number(n.cur) {
			w.r.withdraw(GoneWithdrawn) // another ledger may have used its id for another value
		}
	}
	first := w.r.Published == nil && len(w.r.Versions) == 1 && w.r.Current == bareID // earlier ones may be cut
	w.out.adopts = true
	w.act(OpAdopt, w.r.Current)
	if first {
		w.publish(OpAdopt, false, "")
		return false
	}
	w.r.repair(w.spec.Rotation, w.desk.policy)
	w.publish(OpRepair, true, "")
	return false
}

// publish records the intent to publish the record: its text and note, under
// the next generation. timed and replaced are fields of the intent. If the text
// is too large it prunes the expired versions; if that is not enough, it
// records a problem and keeps the record as it was confirmed.
func (w *work) publish(op Op, timed bool, replaced string) {
	text, err := w.r.render(w.spec, w.desk.policy.limit)
	if errors.Is(err, secret.ErrTooLarge) {
		if gone := w.r.prune(w.desk.policy); len(gone) > 0 {
			for _, id := range gone {
				w.act(OpPrune, id)
			}
			text, err = w.r.render(w.spec, w.desk.policy.limit)
		}
	}
	if err == nil && op == OpAdd && len(text) > w.desk.policy.limit-flipRoom {
		// The flip adds an end to the old version, and that text must fit too.
		// Otherwise the new version would stay announced forever.
		flipped := w.r.clone()
		flipped.flip(flipped.Announced, w.spec.Rotation, w.desk.policy)
		_, err = flipped.render(w.spec, w.desk.policy.limit)
	}
	if err == nil {
		err = w.r.publishable()
	}
	if err != nil {
		w.out.next, w.out.send, w.out.make, w.out.done, w.out.actions = w.out.confirmed, false, false, false, nil
		w.problem(Refused, "%w", err)
		return
	}
	w.r.Gen++
	w.r.Sent = w.r.mayReturn(w.desk.policy)
	w.r.Intent = &intent{Op: op, By: w.desk.by, Sum: w.desk.sum(text), Text: text,
		Note: w.desk.state.newNote(w.r.Name, w.r.Gen, w.r.Current, text), At: w.desk.policy.now.UTC(),
		Timed: timed, Replaced: replaced}
	w.r.Removed = false
	w.out.next, w.out.send, w.out.create = w.r, true, !w.found.exists
}
