package rotate

import (
	"errors"
	"fmt"

	"github.com/layeron-hq/secret"
)

// order is a run's task for one secret.
type order struct {
	op        string         // what begins: "" only settles, opCreate makes what is missing, opFlip rotates, else one of the changes below
	force     bool           // rotate whatever the schedule says
	named     bool           // the person has named this secret
	immediate bool           // both phases at once
	adopt     bool           // go on over what was found
	value     string         // set
	version   string         // revoke
	highest   int            // of the ids when this run loaded the ledger for the first time
	source    secret.Address // rename: whose versions
	from      *record        // and its record
}

const (
	orderSettle   = ""
	orderApply    = "apply"
	orderRotate   = "rotate"
	orderSet      = "set"
	orderRollback = "rollback"
	orderRevoke   = "revoke"
	orderRename   = "rename"
)

// decision is the result for one secret in one pass.
type decision struct {
	verdict   verdict
	next      *record // nil: the record stays as it is
	actions   []Action
	send      bool     // the intent of next is to be published
	create    bool     // under a name that does not exist yet
	also      *record  // another record that changes with it
	make      bool     // a generator has to make a value first
	done      bool     // a change was carried out (or there was nothing to do)
	problem   *Problem // why a person is needed, or what failed
	adopts    bool     // a person lets it go over the value that is there
	finished  *Problem // a forced rotation has only finished an earlier one
	confirmed *record  // the record as it was settled: kept where nothing comes of the rest
}

// desk holds the inputs of a decision beside the secret itself: no I/O.
type desk struct {
	policy policy
	state  *state
	mint   func(secret.SpecSecret) string             // a random value
	made   func(secret.Address) (version, bool)       // what a generator has made in this run
	title  func(secret.SpecSecret) string             // a name for what a generator is to make
	able   func(generator string) bool                // is it registered
	sent   func(secret.Address) (gen uint64, ok bool) // what this run has sent, and whether it was answered
	judge  func(verdict, sighting, *record) verdict   // what a verdict becomes: tests change one
	sum    func(text string) string                   // recognises a text in the target; empty where nothing does
	by     string                                     // the operator
}

// work is one secret on the desk.
type work struct {
	desk  *desk
	spec  secret.SpecSecret
	name  string
	old   *record
	r     *record // a copy to change
	found sighting
	order order
	out   decision

	resource *resource // of the new value
	ready    bool      // the new value is there
}

// decide settles one secret by the state of the store, and goes on to the order. It is a function of its arguments
// alone, but for the random bytes of mint and named.
func (d *desk) decide(spec secret.SpecSecret, name string, r *record, found sighting, o order) decision {
	w := &work{desk: d, spec: spec, name: name, old: r, found: found, order: o}
	if r == nil {
		r = &record{Address: spec.Address, Kind: spec.Kind, Name: name}
	}
	w.r = r.clone()
	w.r.capInstants(d.policy)
	w.r.Kind = spec.Kind
	if w.r.Name == "" || w.r.empty() {
		w.r.Name = name
	}
	if w.r.Name != name && o.op != orderRename {
		w.problem(NewName, "the declaration calls its value %q in the store now, and it stands there as %q", name, w.r.Name)
		w.out.verdict = verdictSettled
		return w.out
	}
	switch {
	case o.op == orderRename && o.from.Name == name:
		w.out.verdict = verdictSettled // the value stays where it is
		w.rename()
	case w.settle():
		w.carryOut()
	}
	if w.out.problem != nil && !w.out.send && !w.out.make && len(w.out.actions) == 0 {
		w.out.next = w.out.confirmed
	}
	w.abandon(r)
	return w.out
}

// abandon gives up a request to a generator that no order waits for any more: its result is swept up.
func (w *work) abandon(r *record) {
	if r.Making == nil || w.out.make || w.out.next != nil && w.out.next.Making != r.Making {
		return
	}
	if w.out.next == nil {
		w.out.next = r.clone()
	}
	w.out.next.Making = nil
}

// notBegun says of an order, where an earlier text had to be confirmed first,
// and was not, that it is not in the ledger either.
var notBegun = map[string]string{
	orderSet:      ". What was given now is not recorded: set it again then",
	orderRollback: ". Nothing was rolled back: order it again then",
	orderRevoke:   ". Nothing was revoked: order it again then",
	orderRename:   ". Nothing was renamed: order it again then",
}

// problem records the reason for which a person is needed, or the failure.
func (w *work) problem(kind Kind, format string, args ...any) {
	w.out.problem = problemf(kind, format, args...).of(w.spec.Address)
}

func (w *work) act(op Op, id string) {
	w.out.actions = append(w.out.actions, Action{Address: w.spec.Address, Action: op, Version: id})
}

// finish acts on the intent of another run.
func (w *work) finish(op Op) {
	w.act(op, w.r.Current)
	w.out.actions[len(w.out.actions)-1].By = w.r.Intent.By
}

// settle carries out the verdict. It returns true when nothing is left open.
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
			return true // each says what it makes of it
		}
		if w.spec.Rotation != nil {
			w.problem(Bound, "a value that `layer` did not make stands in the store, so nothing can rotate it")
		}
		return false
	case verdictConfirm:
		if !mine {
			w.finish(OpConfirm)
		}
		w.r.confirm(w.found.Published, mine && answered, w.desk.policy)
		w.out.next, w.out.confirmed = w.r, w.r.clone()
		return true
	case verdictWaiting:
		w.problem(Unsettled, "the store has accepted it, and readers cannot read it yet: the next run confirms it")
		return false
	case verdictResend:
		if mine {
			w.problem(Unsettled, "the store does not hold what was sent to it. The ledger does, and the next run sends it again%s", notBegun[w.order.op])
			return false
		}
		in := *w.r.Intent
		in.Taken, in.Unsent = !in.Unsent, false
		w.out.done = w.order.op == orderRotate && w.wasOrdered()
		w.r.Intent = &in
		w.r.Stray = later(w.r.Stray, w.desk.policy.now.Add(w.desk.policy.margin).UTC())
		w.finish(OpPublish)
		w.out.next, w.out.send, w.out.create = w.r, true, !w.found.exists
		return false
	case verdictFresh:
		in := *w.r.Intent
		w.r.Stray = later(w.r.Stray, w.desk.policy.now.Add(w.desk.policy.margin).UTC())
		w.r.retime(w.spec.Rotation, w.desk.policy, &in)
		w.act(OpRefresh, w.r.Current)
		w.publish(in.Op, true, in.Replaced)
		return false
	case verdictRepair:
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
		w.problem(Unsettled, "the store does not hold what was sent to it. The ledger does, and the next run sends it again")
		return false
	}
	return w.contradicted()
}

// wasOrdered reports whether the intent brings a new version into use, which is the task of
// a forced rotation: it is finished, and not done again. A version that was
// recorded before this run loaded the ledger is reported as another run's.
func (w *work) wasOrdered() bool {
	in := w.r.Intent
	if in == nil || in.Op != OpFlip && in.Op != OpCreate {
		return false
	}
	if forced := w.order.force || w.order.immediate; forced && number(w.r.Current) <= w.order.highest {
		w.out.finished = &Problem{Kind: NotMade, Address: w.spec.Address, Version: w.r.Current,
			Err: fmt.Errorf("this run has finished %s%s, and made no version of its own", w.r.Current, recordedBy(in.By))}
	}
	return true
}

func recordedBy(operator string) string {
	if operator == "" {
		return ", which an earlier run had recorded"
	}
	return ", which " + operator + " had recorded before"
}

// contradicted handles a store that contradicts the ledger: only the person's word goes on.
func (w *work) contradicted() bool {
	n, ours := w.desk.state.ownNote(w.r.Name, w.found.Note)
	if w.order.op == orderSet && w.r.Intent != nil && w.r.Intent.Unsent && w.out.verdict == verdictDrifted {
		return true // another value for what is only kept in the ledger
	}
	if w.order.adopt && w.r.empty() {
		w.problem(ValueUnknown, "a value stands in the store and the ledger has none for it")
		return false
	}
	if !w.order.adopt {
		switch {
		case w.out.verdict == verdictAhead:
			w.problem(Ahead, "its value there is of a later generation. This is an old copy of the ledger, or a second one: get the newest one")
		case w.r.Intent != nil && w.r.Intent.Unsent:
			w.problem(ValueKept, "a value that `layer` did not make stands in the store. The ledger keeps what was set")
		default:
			w.problem(Drifted, "somebody else has changed the value in the store since. What the ledger holds is safe")
		}
		return false
	}
	if ours {
		w.r.Gen = max(w.r.Gen, n.gen)
		w.r.Highest = max(w.r.Highest, number(n.cur))
		if number(w.r.Announced) > 0 && number(w.r.Announced) <= number(n.cur) {
			w.r.withdraw(GoneWithdrawn) // its id may have been given to another value
		}
	}
	first := w.r.Published == nil && len(w.r.Versions) == 1
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

// publish makes the record an intent: the text and note to send, under the next generation.
func (w *work) publish(op Op, timed bool, replaced string) {
	text, err := w.r.render(w.spec, w.desk.policy.limit)
	if errors.Is(err, secret.ErrTooLarge) { // unless expired versions go
		if gone := w.r.prune(w.desk.policy); len(gone) > 0 {
			for _, id := range gone {
				w.act(OpPrune, id)
			}
			text, err = w.r.render(w.spec, w.desk.policy.limit)
		}
	}
	if err == nil && op == OpAdd && len(text) > w.desk.policy.limit-100 {
		// The second phase must fit too: the old version gets its end. Else the new one would stay announced for ever.
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
	w.r.Intent = &intent{Op: op, By: w.desk.by, Sum: w.desk.sum(text), Text: text, Note: w.desk.state.newNote(w.r.Name, w.r.Gen, w.r.Current, text), At: w.desk.policy.now.UTC(),
		Timed: timed, Replaced: replaced}
	w.r.Removed = false
	w.out.next, w.out.send, w.out.create = w.r, true, !w.found.exists
}
