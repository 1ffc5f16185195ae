package rotate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// run is one operation under way. Each step makes one call to ledger, publisher or generator at most, so that a test
// can stop, interleave and copy runs between any two.
type run struct {
	*Operator
	op      string // the command: a status is not stopped by a contradiction
	orders  map[secret.Address]order
	stage   stage
	highest map[secret.Address]int // of the ids when it loaded the ledger for the first time

	loaded loaded
	target target
	pass   pass
	tries  tries
	mine   mine
	report report
}

// loaded is the ledger as it was loaded or stored last.
type loaded struct {
	state   State
	rev     Revision
	certain bool // it has not changed since the target was inspected
}

// target is the state of the target as it was inspected last.
type target struct {
	found map[string]driver.Published // by name
	at    time.Time
	place string // where it is, if it is a driver.Placer
	names map[secret.Address]string
}

// pass is one round of decisions and their requests.
type pass struct {
	decisions map[secret.Address]decision
	minting   []secret.Address // still to be made by a generator
	items     []driver.Item    // to be published
	to        []secret.Address // the secrets of items
	recorded  time.Time        // when the ledger held them
}

// tries count the steps of a run that are repeated, and those that are made once.
type tries struct {
	passes, conflicts, looks int
	checked, cleaned         bool
}

// mine holds this run's own changes.
type mine struct {
	sent map[secret.Address]sending
	made map[secret.Address]version // by generators, and in no document yet
	done map[secret.Address]bool    // changes that are in the ledger
}

// taken is an action and the generation of the document that carries it out.
type taken struct {
	Action
	gen uint64
}

// report becomes the Result.
type report struct {
	actions   []taken
	problems  map[secret.Address]*Problem
	adoptions []Adoption
	finished  map[secret.Address]*Problem // of forced rotations that have only finished an earlier one
	notes     []error                     // failures beside the secrets
}

// sending is a generation that this run has published.
type sending struct {
	gen uint64
	err error
}

type stage int

const (
	stageLoad stage = iota
	stageResume
	stageInspect
	stageDecide
	stageAscertain
	stageMake
	stagePublish
	stageLook
	stageClean
	stageDone
)

const (
	maxConflicts = 20
	maxPasses    = 12
	maxMakes     = 16 // in one pass: what is recorded must leave soon after
	maxLooks     = 8  // after a publish, while the store says pending
)

func newRun(o *Operator, orders map[secret.Address]order, op string) *run {
	return &run{Operator: o, op: op, orders: orders,
		target: target{names: map[secret.Address]string{}},
		mine:   mine{map[secret.Address]sending{}, map[secret.Address]version{}, map[secret.Address]bool{}},
		report: report{problems: map[secret.Address]*Problem{}, finished: map[secret.Address]*Problem{}}}
}

// copy returns a run that goes on by itself.
func (r *run) copy() *run {
	c := *r
	c.orders, c.target.names = maps.Clone(r.orders), maps.Clone(r.target.names)
	c.mine = mine{maps.Clone(r.mine.sent), maps.Clone(r.mine.made), maps.Clone(r.mine.done)}
	c.report = report{slices.Clone(r.report.actions), maps.Clone(r.report.problems), slices.Clone(r.report.adoptions), maps.Clone(r.report.finished), slices.Clone(r.report.notes)}
	return &c
}

func (r *run) tell(e Event) {
	if r.Progress != nil {
		r.Progress(e)
	}
}

// step makes the next call.
func (r *run) step(ctx context.Context) error {
	switch r.stage {
	case stageLoad:
		return r.load(ctx)
	case stageResume:
		return r.resume(ctx)
	case stageInspect:
		return r.inspect(ctx, stageDecide)
	case stageDecide:
		return r.decideAll(ctx)
	case stageAscertain:
		return r.ascertain(ctx)
	case stageMake:
		return r.makeOne(ctx)
	case stagePublish:
		return r.publishAll(ctx)
	case stageLook:
		return r.look(ctx)
	case stageClean:
		return r.clean(ctx)
	}
	return nil
}

func (r *run) load(ctx context.Context) error {
	r.tell(Event{Stage: StageLoad})
	st, rev, err := r.Ledger.Load(ctx)
	if errors.Is(err, ErrNotFound) {
		return problemf(NoLedger, "there is no ledger yet (%w)", err)
	}
	if err != nil {
		return err
	}
	if r.highest == nil {
		r.highest = map[secret.Address]int{}
		for _, rec := range st.state().Secrets {
			r.highest[rec.Address] = rec.Highest
		}
	}
	// A value made for another state may have been swept away since.
	r.loaded.state, r.loaded.rev, r.mine.made, r.stage = st, rev, map[secret.Address]version{}, stageInspect
	switch {
	case st.Moved() == "" || r.DryRun: // it can still be looked at
	case r.adopts():
		r.stage = stageResume
	default:
		return MovedError(st)
	}
	return nil
}

// MovedError returns the problem of a state with a fence.
func MovedError(s State) error {
	return problemf(Moved, "this ledger has moved to %s: use that one", s.Moved())
}

// resume takes the fence away, on a person's word.
func (r *run) resume(ctx context.Context) error {
	st, rev, err := Commit(ctx, r.Ledger, r.loaded.rev, r.loaded.state.MovedTo("").WithLog(LogEntry{At: r.now(), By: r.By, Op: OpResume}))
	if errors.Is(err, ErrConflict) {
		return r.again()
	}
	if err != nil {
		return err
	}
	r.loaded.state, r.loaded.rev, r.stage = st, rev, stageInspect
	return nil
}

// targets are the secrets of this run, by address.
func (r *run) targets() []secret.SpecSecret {
	var list []secret.SpecSecret
	for _, s := range r.Spec.Secrets {
		if _, ok := r.orders[s.Address]; ok {
			list = append(list, s)
		}
	}
	return list
}

func (r *run) inspect(ctx context.Context, next stage) error {
	var names []string
	for _, s := range r.targets() {
		name := r.name(s)
		if rec := r.loaded.state.state().find(s.Address); !rec.empty() && r.orders[s.Address].op != orderRename {
			name = rec.Name
		}
		r.target.names[s.Address] = name
		names = append(names, name)
	}
	r.tell(Event{Stage: StageInspect, Secrets: len(names)})
	if r.op == "status" {
		if err := r.watchFormer(ctx); err != nil {
			return err
		}
	}
	r.loaded.certain = false
	if len(names) == 0 {
		r.target.found, r.target.at, r.stage = nil, r.now(), next
		return nil
	}
	if p, ok := r.Publisher.(driver.Placer); ok {
		place, err := p.Place(ctx)
		if err != nil {
			return err
		}
		r.target.place = place
	}
	found, err := r.Publisher.Inspect(ctx, names)
	if err != nil {
		return err
	}
	r.target.found, r.target.at, r.stage = found, r.now(), next
	return nil
}

func (r *run) desk() *desk {
	st := r.loaded.state.state()
	d := newDesk(st, st.policy(r.now(), r.Window, r.Margin, r.Limit))
	if r.mint != nil {
		d.mint = r.mint
	}
	if r.judge != nil {
		d.judge = r.judge
	}
	d.able = func(name string) bool { return r.Generators[name] != nil }
	d.sum, d.by = r.sum, r.By
	d.made = func(a secret.Address) (version, bool) { v, ok := r.mine.made[a]; return v, ok }
	if r.DryRun {
		d.made = plannedValue
	}
	d.sent = func(a secret.Address) (uint64, bool) { s, ok := r.mine.sent[a]; return s.gen, ok && s.err == nil }
	return d
}

// makes reports whether a new value of a secret can be made here.
func (r *run) makes(s secret.SpecSecret) bool {
	return s.Kind == secret.KindRandom || s.Kind == secret.KindGenerated && s.Generator != "" && r.Generators[s.Generator] != nil
}

func (r *run) sighting(rec *record, name string) sighting {
	p, ok := r.target.found[name]
	found := sighting{Published: p, exists: ok}
	known, is := r.Publisher.(driver.Recognizer)
	if !is || !ok || rec == nil {
		return found
	}
	found.recognized = true
	sum := r.loaded.state.state().sum(p.Modified)
	if in := rec.Intent; in != nil {
		found.own = known.ModifiedOf(driver.NewValue(in.Text)) == p.Modified
	}
	found.sent = found.own || rec.Published != nil && rec.Published.Modified == p.Modified ||
		slices.ContainsFunc(rec.Sent, func(s sent) bool { return s.Sum == sum })
	return found
}

// sum returns the digest that recognises a text in the target; empty if nothing does.
func (r *run) sum(text string) string {
	if known, is := r.Publisher.(driver.Recognizer); is {
		return r.loaded.state.state().sum(known.ModifiedOf(driver.NewValue(text)))
	}
	return ""
}

// placed returns the place to record: that of a target which has just confirmed
// something, else the one of before.
func (r *run) placed(st *state) string {
	for _, dec := range r.pass.decisions {
		if dec.verdict == verdictConfirm && dec.next != nil && r.target.place != "" {
			return r.target.place
		}
	}
	return st.Place
}

// record swaps the decisions into the ledger: nothing leaves before that.
func (r *run) record(ctx context.Context, st *state) error {
	next := *st
	next.Place = r.placed(st)
	var records []*record
	r.pass.items, r.pass.to, r.pass.minting = nil, nil, nil
	var retire []resource
	for _, s := range r.targets() {
		dec := r.pass.decisions[s.Address]
		if dec.next == nil {
			continue
		}
		if dec.next.Intent == nil {
			retire = append(retire, dec.next.unused()...)
		}
		if old := st.find(s.Address); old != nil && old.Making != nil && old.Making != dec.next.Making {
			if old.Making.Name != "" {
				until := old.Making.At
				if mine, ok := r.mine.made[s.Address]; !ok || mine.Resource.Name != old.Making.Name {
					until = r.now().Add(st.policy(r.now(), r.Window, r.Margin, r.Limit).margin)
				}
				next.Sweep = append(slices.Clip(next.Sweep), sweep{old.Making.Generator, old.Making.Name, until.UTC()})
			}
		}
		records = append(records, dec.next)
		if dec.also != nil {
			records = append(records, dec.also)
		}
		if dec.make {
			r.pass.minting = append(r.pass.minting, s.Address)
		}
		if dec.send {
			r.pass.items = append(r.pass.items, driver.Item{Name: dec.next.Name, Text: driver.NewValue(dec.next.Intent.Text), Note: dec.next.Intent.Note})
			r.pass.to = append(r.pass.to, s.Address)
		}
	}
	swapped := next.with(records...)
	for _, res := range retire {
		if !swapped.uses(res) {
			swapped.Retire = append(slices.Clip(swapped.Retire), res)
		}
	}
	var all []Action
	for _, s := range r.targets() {
		all = append(all, r.pass.decisions[s.Address].actions...)
	}
	for _, e := range logOf(all, r.By, r.now()) {
		swapped.log(e)
	}
	r.tell(Event{Stage: StageRecord, Secrets: len(records), Actions: all})
	committed, rev, err := Commit(ctx, r.Ledger, r.loaded.rev, wrapState(swapped))
	switch {
	case errors.Is(err, ErrSuperseded):
		r.collectDone()
		return r.again()
	case errors.Is(err, ErrConflict):
		return r.again()
	case err != nil:
		return err
	}
	for _, rec := range records {
		if rec.Making == nil {
			delete(r.mine.made, rec.Address) // it is a version now, and no other one's value
		}
	}
	r.collectDone()
	r.collect()
	r.loaded.state, r.loaded.rev = committed, rev
	r.pass.recorded, r.stage = r.now(), stageMake
	return nil
}

func (r *run) collectDone() {
	for addr, dec := range r.pass.decisions {
		one := r.orders[addr]
		switch {
		case dec.done && one.op == orderRotate: // once; then the schedule rules
			one.force, one.immediate = false, false
			r.orders[addr] = one
		case dec.done && one.op != orderApply:
			r.mine.done[addr] = true
		}
	}
}

// again begins anew with the ledger that another run has left.
func (r *run) again() error {
	if r.tries.conflicts++; r.tries.conflicts > maxConflicts {
		return fmt.Errorf("%w %d times: run it again when the others have finished", ErrConflict, maxConflicts)
	}
	r.stage = stageLoad
	return nil
}

func logOf(actions []Action, by string, at time.Time) []LogEntry {
	var entries []LogEntry
	for _, a := range actions {
		e := LogEntry{At: at, By: by, Op: a.Action, Address: a.Address.String()}
		if a.Version != "" {
			e.IDs = []string{a.Version}
		}
		entries = append(entries, e)
	}
	return entries
}

// makeOne lets a generator make the next value.
func (r *run) makeOne(ctx context.Context) error {
	if len(r.pass.minting) == 0 {
		r.stage = stagePublish
		return nil
	}
	if r.overslept() {
		r.stage = stageLoad
		return nil
	}
	addr := r.pass.minting[0]
	r.pass.minting = r.pass.minting[1:]
	spec, _ := r.Operator.find(addr)
	m := r.loaded.state.state().find(addr).Making
	r.tell(Event{Stage: StageMake, Secrets: 1})
	made, err := r.Generators[m.Generator].Make(ctx, m.Name, maps.Clone(spec.Params))
	if err == nil {
		err = checkValue(spec, made.Value.Reveal())
	}
	if err != nil {
		// Anything that it may have made is swept up, and the next run makes another.
		one := r.orders[addr]
		one.op = orderSettle
		r.orders = maps.Clone(r.orders)
		r.orders[addr] = one
		r.report.notes = append(r.report.notes, fmt.Errorf("%s: %s could not make its value: %w", addr, m.Generator, err))
		return nil
	}
	r.mine.made[addr] = version{Value: made.Value.Reveal(), Resource: &resource{Generator: m.Generator, Name: m.Name, ID: made.ID}}
	return nil
}

// publishAll sends the decided texts, once.
func (r *run) publishAll(ctx context.Context) error {
	if len(r.pass.items) == 0 {
		r.stage = stageDecide
		return nil
	}
	r.tell(Event{Stage: StagePublish, Secrets: len(r.pass.items)})
	// A run that was held up sends nothing any more: it looks anew.
	if r.tooLate() {
		r.stage = stageLoad
		return nil
	}
	errs := r.Publisher.Publish(ctx, r.pass.items)
	for i, addr := range r.pass.to {
		s := sending{gen: r.loaded.state.state().find(addr).Gen}
		if i < len(errs) {
			s.err = errs[i]
		}
		r.mine.sent[addr] = s
	}
	r.pass.items, r.pass.to, r.tries.looks = nil, nil, 0
	r.stage = stageLook
	return nil
}

// overslept reports whether the recorded text is too old to be carried out: others may have taken it over and gone on, and would
// not count on this request any more.
func (r *run) overslept() bool {
	p := r.loaded.state.state().policy(r.now(), r.Window, r.Margin, r.Limit)
	return p.now.After(r.pass.recorded.Add(p.prompt()))
}

// held reports whether it is too late to send the recorded text. The lives in it would have begun without readers knowing.
func (r *run) tooLate() bool {
	if r.overslept() {
		return true
	}
	st := r.loaded.state.state()
	p := st.policy(r.now(), r.Window, r.Margin, r.Limit)
	for _, addr := range r.pass.to {
		if in := st.find(addr).Intent; in.Timed && p.now.After(in.At.Add(p.fresh())) {
			return true
		}
	}
	return false
}

// look asks for the store's present values, and again while it says pending.
func (r *run) look(ctx context.Context) error {
	if r.tries.looks > 0 {
		r.tell(Event{Stage: StageWait})
		if err := r.sleep(ctx, min(time.Second<<r.tries.looks/4, 5*time.Second)); err != nil {
			return err
		}
	}
	if err := r.inspect(ctx, stageDecide); err != nil {
		return err
	}
	for _, addr := range slices.Collect(maps.Keys(r.mine.sent)) {
		if r.target.found[r.target.names[addr]].Pending && r.tries.looks < maxLooks {
			r.tries.looks++
			r.stage = stageLook
			return nil
		}
	}
	return nil
}

// interrupted reports the rest.
func (r *run) interrupted() error {
	left := 0
	for _, rec := range r.loaded.state.state().Secrets {
		if rec.Intent != nil {
			left++
		}
	}
	if left == 0 {
		return fmt.Errorf("%w: nothing is left half done", ErrInterrupted)
	}
	what := "1 secret is"
	if left > 1 {
		what = fmt.Sprintf("%d secrets are", left)
	}
	return fmt.Errorf("%w: %s recorded in the ledger and not confirmed in the store: the next run finishes that", ErrInterrupted, what)
}
