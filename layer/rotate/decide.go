package rotate

import (
	"errors"
	"fmt"

	"github.com/layeron-hq/secret"
)

// order is what a run is asked to do with one secret.
type order struct {
	op        string         // what begins: "" only settles, opCreate makes what is missing, opFlip rotates, else one of the changes below
	force     bool           // rotate whatever the schedule says
	named     bool           // the person has named this secret
	immediate bool           // both phases at once
	adopt     bool           // go on over what was found
	value     string         // set
	version   string         // revoke
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

// decision is what comes of one secret in one pass.
type decision struct {
	verdict verdict
	next    *record // nil: the record stays as it is
	actions []Action
	send    bool    // the intent of next is to be published
	create  bool    // under a name that does not exist yet
	also    *record // another record that changes with it
	make    bool    // a generator has to make a value first
	done    bool    // a change was carried out (or there was nothing to do)
	problem error   // why a person is needed, or what failed
}

// desk holds what deciding takes beside the secret itself: nothing of it is I/O.
type desk struct {
	policy
	state *state
	mint  func(secret.SpecSecret) string             // a random value
	made  func(secret.Address) (version, bool)       // what a generator has made in this run
	title func(secret.SpecSecret) string             // a name for what a generator is to make
	able  func(generator string) bool                // is it registered
	sent  func(secret.Address) (gen uint64, ok bool) // what this run has sent, and whether it was answered
	judge func(verdict, sighting, *record) verdict   // what a verdict becomes: tests change one
}

// Errors of a single secret. The texts say what to do; errors.Is tells the kind.
var (
	errExternal  = errors.New("external_value_required")
	errDrifted   = errors.New("drifted")
	errBound     = errors.New("bound")
	errAhead     = errors.New("the store is ahead of the ledger")
	errUnsettled = errors.New("not settled")
	errRefused   = errors.New("refused")
)

// work is one secret on the desk.
type work struct {
	*desk
	spec secret.SpecSecret
	name string
	old  *record
	r    *record // a copy to change
	seen sighting
	order
	decision

	confirmed *record // the record as it was settled: kept where nothing comes of the rest

	resource *resource // of the new value
	ready    bool      // the new value is there
}

// decide settles one secret by what the store shows, and goes on to what is ordered. It is a function of its arguments
// alone, but for what mint and named draw.
func (d *desk) decide(spec secret.SpecSecret, name string, r *record, seen sighting, o order) decision {
	w := &work{desk: d, spec: spec, name: name, old: r, seen: seen, order: o}
	if r == nil {
		r = &record{Address: spec.Address, Kind: spec.Kind, Name: name}
	}
	w.r = r.clone()
	w.r.Kind = spec.Kind
	if w.r.Name == "" || w.r.empty() {
		w.r.Name = name
	}
	if w.r.Name != name && o.op != orderRename {
		w.problem = fmt.Errorf("%w: the declaration calls its value %q in the store now, and it stands there as %q: "+
			"`layer secret rename '%s' '%s'` publishes it under the new name", errRefused, name, w.r.Name, spec.Address, spec.Address)
		w.verdict = verdictSettled
		return w.decision
	}
	switch {
	case o.op == orderRename && o.from.Name == name:
		w.verdict = verdictSettled // the value stays where it is
		w.rename()
	case w.settle():
		w.carryOut()
	}
	if w.problem != nil && !w.send && !w.make && len(w.actions) == 0 {
		w.next = w.confirmed
	}
	w.abandon(r)
	return w.decision
}

// abandon gives up what a generator was asked for and nobody waits for any more: what it made is swept up.
func (w *work) abandon(r *record) {
	if r.Making == nil || w.make || w.next != nil && w.next.Making != r.Making {
		return
	}
	if w.next == nil {
		w.next = r.clone()
	}
	w.next.Making = nil
}

func (w *work) act(op, id string) {
	w.actions = append(w.actions, Action{Address: w.spec.Address, Action: op, Version: id})
}

// settle does what the verdict asks for. It returns true when nothing is left open.
func (w *work) settle() bool {
	w.verdict = w.judge(w.state.reconcile(w.old, w.seen, w.r.Name, w.policy), w.seen, w.old)
	if in := w.r.Intent; in != nil && w.verdict == verdictConfirm && (in.Op == opFlip || in.Op == opCreate) {
		w.force, w.immediate = false, false // that is what was ordered, by an earlier run
	}
	gen, answered := w.sent(w.spec.Address)
	mine := w.r.Intent != nil && gen == w.r.Gen // sent by this run: not again
	switch w.verdict {
	case verdictNothing, verdictSettled:
		return true
	case verdictBound:
		switch w.op {
		case orderSet, orderRollback, orderRevoke, orderRename:
			return true // each says what it makes of it
		}
		if w.spec.Rotation != nil {
			w.problem = fmt.Errorf("%w: a value that `layer` did not make stands in the store, so nothing can rotate it: "+
				"`layer secret set '%s'` with that value and then `layer secret rotate --adopt-ledger` bring it under rotation",
				errBound, w.spec.Address)
		}
		return false
	case verdictConfirm:
		if !mine {
			w.act(opConfirm, w.r.Current)
		}
		w.r.confirm(w.seen.Published, mine && answered, w.policy)
		w.next, w.confirmed = w.r, w.r.clone()
		return true
	case verdictWaiting:
		w.problem = fmt.Errorf("%w: the store has accepted it, and readers cannot read it yet: the next run confirms it", errUnsettled)
		return false
	case verdictResend:
		if mine {
			w.problem = fmt.Errorf("%w: the store does not hold what was sent to it. The ledger does, and the next run sends it again", errUnsettled)
			return false
		}
		in := *w.r.Intent
		in.Taken, in.Unsent = !in.Unsent, false
		w.done = w.op == orderRotate && (in.Op == opFlip || in.Op == opCreate) // what was ordered, by an earlier run
		w.r.Intent = &in
		w.r.Stray = later(w.r.Stray, w.policy.now.Add(w.margin).UTC())
		w.act(opPublish, w.r.Current)
		w.next, w.send, w.create = w.r, true, !w.seen.exists
		return false
	case verdictFresh:
		in := *w.r.Intent
		w.r.Stray = later(w.r.Stray, w.policy.now.Add(w.margin).UTC())
		w.r.retime(w.spec.Rotation, w.policy, &in)
		w.act(opRefresh, w.r.Current)
		w.publish(in.Op, true, in.Replaced)
		return false
	case verdictRepair:
		op, replaced := opRepair, ""
		if in := w.r.Intent; in != nil && in.Timed {
			w.r.retime(w.spec.Rotation, w.policy, in)
			replaced = in.Replaced
		}
		w.r.repair(w.spec.Rotation, w.policy)
		w.act(opRepair, w.r.Current)
		w.publish(op, true, replaced)
		return false
	case verdictMissing:
		op := opPublish
		if w.r.Published != nil && w.r.Published.At.Before(w.r.Stray) {
			op = opRepair
			w.r.repair(w.spec.Rotation, w.policy)
		}
		w.r.Ready = noTime
		w.act(op, w.r.Current)
		w.publish(op, op == opRepair, "")
		return false
	}
	return w.contradicted()
}

// contradicted handles what the store says against the ledger: only the person's word goes on.
func (w *work) contradicted() bool {
	n, isNote := w.state.readNote(w.r.Name, w.seen.Note)
	if w.op == orderSet && w.r.Intent != nil && w.r.Intent.Unsent && w.verdict == verdictDrifted {
		return true // another value for what is only kept in the ledger
	}
	if w.adopt && w.r.empty() {
		w.problem = fmt.Errorf("%w: a value stands in the store and the ledger has none for it: `layer secret set '%s'` with that "+
			"value first", errDrifted, w.spec.Address)
		return false
	}
	if !w.adopt {
		w.problem = fmt.Errorf("%w: %s", errDrifted, "somebody else has changed the value in the store since. "+
			"What the ledger holds is safe: `layer secret rotate --adopt-ledger` publishes it again")
		if w.r.Intent != nil && w.r.Intent.Unsent {
			w.problem = fmt.Errorf("%w: a value that `layer` did not make stands in the store. The ledger keeps what was set: "+
				"`layer secret rotate --adopt-ledger` publishes it over that value", errDrifted)
		}
		if w.verdict == verdictAhead {
			w.problem = fmt.Errorf("%w: its value there is of a later generation. This is an old copy of the ledger, or a second "+
				"one: get the newest one. If there is none, `layer secret rotate --adopt-ledger` goes on with this one", errAhead)
		}
		return false
	}
	if isNote {
		w.r.Gen = max(w.r.Gen, n.gen)
		w.r.Highest = max(w.r.Highest, number(n.cur))
		if number(w.r.Announced) > 0 && number(w.r.Announced) <= number(n.cur) {
			w.r.withdraw(goneWithdrawn) // its id may have been given to another value
		}
	}
	first := w.r.Published == nil && len(w.r.Versions) == 1
	w.act(opAdopt, w.r.Current)
	if first {
		w.publish(opAdopt, false, "")
		return false
	}
	w.r.repair(w.spec.Rotation, w.policy)
	w.publish(opRepair, true, "")
	return false
}

// publish makes the record an intent: the text and note to send, under the next generation.
func (w *work) publish(op string, timed bool, replaced string) {
	text, err := w.r.render(w.spec, w.limit)
	if err == nil && op == opAdd && len(text) > w.limit-100 {
		// The second phase must fit too: the old version gets its end. Else the new one would stay announced for ever.
		flipped := w.r.clone()
		flipped.flip(flipped.Announced, w.spec.Rotation, w.policy)
		_, err = flipped.render(w.spec, w.limit)
	}
	if err != nil {
		w.next, w.send, w.make, w.done, w.actions = w.confirmed, false, false, false, nil
		w.problem = fmt.Errorf("%w: %w", errRefused, err)
		return
	}
	w.r.Gen++
	w.r.Intent = &intent{Op: op, Text: text, Note: w.state.newNote(w.r.Name, w.r.Gen, w.r.Current, text), At: w.policy.now.UTC(),
		Timed: timed, Replaced: replaced}
	w.r.Removed = false
	w.next, w.send, w.create = w.r, true, !w.seen.exists
}
