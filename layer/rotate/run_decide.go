package rotate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file is the step between inspection and record: it decides on every
// secret, and checks first that the decisions may be trusted. Before a run
// publishes anything, it stops as a whole if the ledger, or the target, seems
// to be the wrong one. A contradiction counts only after a second load of the
// ledger, since another run may have published between the first load and the
// inspection.

// decideAll decides on every secret and records the decisions in the ledger, in
// one step.
func (r *run) decideAll(ctx context.Context) error {
	d := r.desk()
	if d.policy.now.After(r.target.at.Add(d.policy.prompt())) {
		r.stage = stageInspect // the run was held up: the inspection is too old
		return nil
	}
	if err := r.decideEach(ctx, d); err != nil {
		return err
	}
	if !r.loaded.certain && r.doubtful() {
		r.stage = stageAscertain
		return nil
	}
	for addr, dec := range r.pass.decisions {
		r.problem(addr, dec.problem)
		if dec.finished != nil {
			r.report.finished[addr] = dec.finished
		}
	}
	if err := r.objection(d.state); err != nil {
		return err
	}
	if r.pass.refused != nil {
		return r.pass.refused
	}
	if r.tryOlder() {
		return nil
	}
	if decided, err := r.fits(ctx); err != nil || !decided {
		return err
	}
	if r.askFirst(d.state) {
		return nil
	}
	// A recorded note in the target shows that this ledger is genuine.
	if confirmed, _ := d.state.compareNotes(r.target.names, r.target.found); confirmed {
		r.confirmed(ctx, r.loaded.state)
	}
	if r.DryRun {
		r.warn(d.state)
		if err := r.preview(ctx, d.state); err != nil {
			return err
		}
		r.collect()
		r.stage = stageDone
		return nil
	}
	// If the target cannot create a value, stop before the ledger has an intent.
	if decided, err := r.check(ctx); err != nil || !decided {
		return err
	}
	if !slices.ContainsFunc(slices.Collect(maps.Values(r.pass.decisions)),
		func(d decision) bool { return d.next != nil }) {
		r.stage = stageClean // every secret is settled, or has a problem
		return nil
	}
	if err := driver.Stopped(ctx); err != nil {
		return err // nothing is recorded yet
	}
	// A pass that records something leads to another pass, which confirms it.
	if r.tries.passes++; r.tries.passes > maxPasses {
		return problemf(Unsettled, "after %d attempts: run it again", maxPasses)
	}
	r.warn(d.state)
	return r.record(ctx, d.state)
}

// decideEach decides on each secret of the run.
func (r *run) decideEach(ctx context.Context, d *desk) error {
	if err := r.checkNames(d.state); err != nil {
		return err
	}
	r.pass.decisions, r.pass.refused = map[secret.Address]decision{}, nil
	makes := 0
	for _, spec := range r.targets() {
		if err := driver.Stopped(ctx); err != nil {
			return err
		}
		dec, err := r.decideOne(d, spec, r.orders[spec.Address])
		if err != nil {
			return err
		}
		if dec.make {
			if makes++; makes > maxMakes {
				dec = decision{verdict: dec.verdict} // the next pass makes it
			}
		}
		r.pass.decisions[spec.Address] = dec
	}
	r.sendFirst()
	return r.together(d)
}

// decideOne decides on one secret.
func (r *run) decideOne(d *desk, spec secret.SpecSecret, one order) (decision, error) {
	rec := d.state.find(spec.Address)
	if r.mine.done[spec.Address] {
		one = order{op: orderLook, adopt: one.adopt} // the order is in the ledger: only settle
	}
	// With the highest id at the first load, decide can separate a version of this
	// run from one that was recorded before.
	one.highest = r.highest[spec.Address]
	name := r.name(spec)
	if one.op == orderRename {
		var err error
		if rec, one, err = d.state.renaming(rec, one, name); err != nil {
			return decision{}, err
		}
	}
	short, isShort := r.tries.short[spec.Address]
	one.short = isShort
	dec := d.decide(spec, name, rec, r.sighting(rec, r.target.names[spec.Address]), one)
	if isShort {
		dec = dec.withoutRoom(short, spec.Address)
	}
	if problem := d.tooMany(spec); problem != nil {
		switch {
		case r.op == "status":
			dec.problem = problem
		case one.op == orderApply || one.op == orderRotate:
			r.pass.refused = problem.because("%s: %w", spec.Address, problem.Err)
		}
	}
	if r.amend != nil {
		r.amend(d, spec, rec, &dec)
	}
	return dec, nil
}

// objection returns the reason to stop the whole run, before it has published
// anything and without a change. An old copy of the ledger would repeat ids and
// generations, so one secret with a later generation in the target stops all.
// An order to adopt overrides an objection.
func (r *run) objection(st *state) error {
	if len(r.mine.sent) > 0 || r.adopts() {
		return nil
	}
	if problem := r.misplaced(st); problem != nil {
		if r.op != "status" {
			return problem
		}
		r.report.notes = append(r.report.notes, problem)
	}
	if r.op == "status" {
		return nil
	}
	foreign, standing := 0, 0
	for _, spec := range r.targets() {
		dec, rec := r.pass.decisions[spec.Address], st.find(spec.Address)
		if dec.verdict == verdictAhead {
			return problemf(Stopped, "%s: %w", spec.Address, dec.problem).of(spec.Address)
		}
		if rec == nil || rec.Published == nil {
			continue
		}
		found, ok := r.target.found[rec.Name]
		if !ok {
			continue
		}
		standing++
		// The note of another ledger, or a forged one. Alone it proves nothing: only if
		// every value has one, the target or the ledger is the wrong one.
		if n, isNote := st.readNote(rec.Name, found.Note); isNote && !n.ours && !n.former &&
			dec.verdict == verdictDrifted {
			foreign++
		}
	}
	if foreign > 0 && foreign == standing {
		return problemf(WrongTarget, "the ledger records published values, but none in the target is its own: "+
			"this ledger is a stale or forged copy, or the target belongs to another ledger")
	}
	return nil
}

// misplaced returns a problem if the target is at another place than at the
// last confirmation. If a disk is not mounted, a run must not publish its
// values again into the folder below.
func (r *run) misplaced(st *state) error {
	published := slices.ContainsFunc(r.targets(), func(s secret.SpecSecret) bool {
		rec := st.find(s.Address)
		return rec != nil && rec.Published != nil
	})
	switch {
	case st.Place == "" || !published || st.Place == r.target.place:
		return nil
	case r.target.place == "":
		return problemf(WrongPlace, "the target is missing, although it has confirmed values before. "+
			"Mount it or restore it")
	}
	return problemf(WrongPlace, "the target is on another device than when it last confirmed a value: "+
		"mount the right one")
}

// check asks the publisher, once in a run, whether it can create the new
// values, before the ledger changes. decided is false if it asked: that took
// time, so the run decides again.
func (r *run) check(ctx context.Context) (decided bool, err error) {
	var creates []string
	for _, spec := range r.targets() {
		if dec := r.pass.decisions[spec.Address]; dec.create && dec.send {
			creates = append(creates, dec.next.Name)
		}
	}
	checker, ok := r.Publisher.(driver.Checker)
	if !ok || len(creates) == 0 || r.tries.checked {
		return true, nil
	}
	r.tell(Event{Stage: StageCheck, Secrets: len(creates)})
	r.tries.checked = true
	if err := checker.Check(ctx, creates); err != nil {
		return false, problemf(Stopped, "%w", err)
	}
	return false, nil
}

// doubtful reports whether the target seems to contradict the ledger. For a dry run
// a missing value is a contradiction too: it reports the value, while another run
// publishes it again only after it has recorded that.
func (r *run) doubtful() bool {
	for _, d := range r.pass.decisions {
		if d.verdict == verdictDrifted || d.verdict == verdictAhead || r.DryRun && d.verdict == verdictMissing {
			return true
		}
	}
	return false
}

// ascertain loads the ledger again. If its revision is still the same, no other
// run has published since the inspection, and the contradiction is certain.
// Otherwise the run begins again.
func (r *run) ascertain(ctx context.Context) error {
	r.tell(Event{Stage: StageLoad})
	_, rev, err := r.Ledger.Load(ctx)
	if err != nil {
		return err
	}
	if rev != r.loaded.rev {
		return r.again()
	}
	r.loaded.certain, r.stage = true, stageDecide
	return nil
}

// adopts reports whether the operator ordered to adopt.
func (r *run) adopts() bool {
	for _, o := range r.orders {
		return o.adopt
	}
	return false
}

// problem records the problem of a secret, with the error of this run's own
// request if there was one. nil removes it.
func (r *run) problem(addr secret.Address, p *Problem) {
	if p == nil {
		delete(r.report.problems, addr)
		return
	}
	if s, ok := r.mine.sent[addr]; ok && s.err != nil && errors.Is(p, Unsettled) {
		p = p.because("%w: %w", p.Err, s.err)
	}
	r.report.problems[addr] = p
}

// checkNames returns a problem if a secret would use the name in the target of
// another secret in the ledger, declared or not: one would overwrite the other.
func (r *run) checkNames(st *state) error {
	users := map[string]secret.Address{}
	for _, rec := range st.Secrets {
		if !rec.empty() {
			users[rec.Name] = rec.Address
		}
	}
	for _, s := range r.targets() {
		if other, ok := users[r.name(s)]; ok && other != s.Address && other != r.orders[s.Address].source {
			return &Problem{Kind: NameTaken, Address: s.Address, Other: other,
				Err: fmt.Errorf("the name %s in the target belongs to %s in the ledger", r.name(s), other)}
		}
	}
	return nil
}

// collect keeps the decided actions for the result.
func (r *run) collect() {
	for _, s := range r.targets() {
		dec := r.pass.decisions[s.Address]
		gen := uint64(0)
		if dec.next != nil {
			gen = dec.next.Gen
		}
		for _, a := range dec.actions {
			r.report.actions = append(r.report.actions, taken{a, gen})
		}
	}
}
