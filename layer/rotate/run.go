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

// This file is the order of the steps of a run:
//
//	load, inspect, decide, record, make, publish, look, decide, clean
//
// A run may crash after any step, and another run may work at the same time.
// Both are safe because of five rules, and each is carried out here:
//
//   - A text is in the ledger as an intent before its request is sent (record).
//   - A generator's resource has its name in the ledger before it is made
//     (record).
//   - A request is sent once, and only soon after its intent was recorded
//     (publishAll).
//   - A text counts as published only when the target has shown its note (look,
//     and the decision after it).
//   - A run that loses a compare-and-set discards its decisions and begins
//     again with the present ledger (again).

// run is one operation in progress. Each step makes at most one call to the
// ledger, the publisher or a generator. So a test can stop, interleave and copy
// runs between any two calls.
type run struct {
	*Operator
	op      string // the command: a status is not stopped by a contradiction
	orders  map[secret.Address]order
	stage   stage
	highest map[secret.Address]int // the highest ids when the run first loaded the ledger

	loaded loaded
	target target
	pass   pass
	tries  tries
	mine   mine
	report report
}

// loaded is the ledger as the run last loaded or stored it.
type loaded struct {
	state   State
	rev     Revision
	certain bool // a second load showed that it has not changed since the inspection
}

// target is the result of the last inspection.
type target struct {
	found map[string]driver.Published // by name
	at    time.Time
	place string // of a driver.Placer
	names map[secret.Address]string
}

// pass is one round of decisions and their requests.
type pass struct {
	decisions map[secret.Address]decision
	minting   []secret.Address // a generator still has to make their values
	toMake    int              // the length of minting at the start of the pass
	items     []driver.Item    // to be published
	to        []secret.Address // the secrets of items, at the same index
	recorded  time.Time        // when the ledger had stored the decisions
	refused   error            // why orders that belong together are not carried out
}

// tries are the counts of repeated steps, and the steps that are done once.
type tries struct {
	passes, conflicts, looks int
	checked, cleaned         bool
}

// mine are this run's own changes.
type mine struct {
	sent map[secret.Address]sending
	made map[secret.Address]version // by generators, and in no record yet
	done map[secret.Address]bool    // orders that are in the ledger and must not begin again
}

// taken is an action and the generation of the text that contains it.
type taken struct {
	Action
	gen uint64
}

// report is the source of the Result.
type report struct {
	actions   []taken
	problems  map[secret.Address]*Problem
	adoptions []Adoption
	finished  map[secret.Address]*Problem // forced rotations that have only finished an earlier one
	notes     []error                     // failures that belong to no secret's text
}

// sending is a generation that this run has sent, and the answer.
type sending struct {
	gen uint64
	err error
}

type stage int

const (
	stageLoad stage = iota
	stageResume
	stageBegin
	stageInspect
	stageDecide
	stageAscertain
	stageMake
	stagePublish
	stageLook
	stageClean
	stageDone
)

// reads reports whether a stage changes nothing outside, so that an interrupted
// run need not wait for its end.
func (s stage) reads() bool {
	return s == stageLoad || s == stageInspect || s == stageAscertain || s == stageLook
}

const (
	maxConflicts = 20
	maxPasses    = 12
	maxMakes     = 16 // in one pass, because recorded texts must be sent soon after
	maxLooks     = 8  // after a publish, while the target reports Pending
)

func newRun(o *Operator, orders map[secret.Address]order, op string) *run {
	return &run{Operator: o, op: op, orders: orders,
		target: target{names: map[secret.Address]string{}},
		mine:   mine{map[secret.Address]sending{}, map[secret.Address]version{}, map[secret.Address]bool{}},
		report: report{problems: map[secret.Address]*Problem{}, finished: map[secret.Address]*Problem{}}}
}

// copy returns an independent copy of the run, for tests.
func (r *run) copy() *run {
	c := *r
	c.orders, c.target.names = maps.Clone(r.orders), maps.Clone(r.target.names)
	c.mine = mine{maps.Clone(r.mine.sent), maps.Clone(r.mine.made), maps.Clone(r.mine.done)}
	c.report = report{slices.Clone(r.report.actions), maps.Clone(r.report.problems),
		slices.Clone(r.report.adoptions), maps.Clone(r.report.finished), slices.Clone(r.report.notes)}
	return &c
}

func (r *run) tell(e Event) {
	if r.Progress != nil {
		r.Progress(e)
	}
}

// counted reports the event, and returns a context that reports it again when
// more secrets are done.
func (r *run) counted(ctx context.Context, e Event) context.Context {
	r.tell(e)
	if r.Progress == nil {
		return ctx
	}
	return driver.WithProgress(ctx, func(done int) {
		e.Done = done
		r.tell(e)
	})
}

// step does the next step of the run, with at most one call.
func (r *run) step(ctx context.Context) error {
	switch r.stage {
	case stageLoad:
		return r.load(ctx)
	case stageResume:
		return r.resume(ctx)
	case stageBegin:
		return r.begin(ctx)
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

// load loads the ledger. After a lost compare-and-set it discards the
// generators' values of this run, and stops at a fence unless the operator
// adopts.
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
	// A value that was made for an earlier state may have been swept by another
	// run.
	r.loaded.state, r.loaded.rev, r.mine.made = st, rev, map[secret.Address]version{}
	r.stage = r.afterLoad()
	switch {
	case st.Moved() == "" || r.DryRun: // a dry run changes nothing, so a fence does not stop it
	case r.adopts():
		r.stage = stageResume
	default:
		return MovedError(st)
	}
	return nil
}

// MovedError returns the [Problem] of kind [Moved] for a state with a fence,
// the mark that [Move] leaves in a ledger that has moved to another place.
func MovedError(s State) error {
	return problemf(Moved, "this ledger has moved to %s: use that one", s.Moved())
}

// resume removes the fence, because the operator adopts this ledger.
func (r *run) resume(ctx context.Context) error {
	st, rev, err := Commit(ctx, r.Ledger, r.loaded.rev,
		r.loaded.state.MovedTo("").WithLog(LogEntry{At: r.now(), By: r.By, Op: OpResume}))
	if errors.Is(err, ErrConflict) {
		return r.again()
	}
	if err != nil {
		return err
	}
	r.loaded.state, r.loaded.rev = st, rev
	r.stage = r.afterLoad()
	return nil
}

// targets returns the secrets of this run, by address.
func (r *run) targets() []secret.SpecSecret {
	var list []secret.SpecSecret
	for _, s := range r.Spec.Secrets {
		if _, ok := r.orders[s.Address]; ok {
			list = append(list, s)
		}
	}
	return list
}

// inspect asks the target for the present values, and then continues with next.
// The result contains no text, because a target need not be readable: a run
// recognizes a text by its note and by Modified.
func (r *run) inspect(ctx context.Context, next stage) error {
	var names []string
	for _, s := range r.targets() {
		// The value is under its recorded name, even if the declaration has changed.
		name := r.name(s)
		if rec := r.loaded.state.state().find(s.Address); !rec.empty() && r.orders[s.Address].op != orderRename {
			name = rec.Name
		}
		r.target.names[s.Address] = name
		names = append(names, name)
	}
	counting := r.counted(ctx, Event{Stage: StageInspect, Secrets: len(names)})
	if r.op == "status" {
		if err := r.watchFormer(ctx); err != nil {
			return err
		}
	}
	// The ledger was loaded before this inspection. Another run may have published
	// a text in between, so a contradiction is not certain yet: see ascertain.
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
	found, err := r.Publisher.Inspect(counting, names)
	if err != nil {
		return err
	}
	r.target.found, r.target.at, r.stage = found, r.now(), next
	return nil
}

// desk returns the inputs of a decision: the loaded state, the time, and this
// run's own requests and values.
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
	d.sum, d.by, d.loses = r.sum, r.By, r.LosesIDs
	d.made = func(a secret.Address) (version, bool) { v, ok := r.mine.made[a]; return v, ok }
	if r.DryRun {
		d.made = plannedValue
	}
	d.sent = func(a secret.Address) (uint64, bool) { s, ok := r.mine.sent[a]; return s.gen, ok && s.err == nil }
	return d
}

// makes reports whether a new value of a secret can be made here.
func (r *run) makes(s secret.SpecSecret) bool {
	return s.Kind == secret.KindRandom ||
		s.Kind == secret.KindGenerated && s.Generator != "" && r.Generators[s.Generator] != nil
}

// sighting returns the result of the inspection for one secret. In a
// driver.Recognizer it compares the value with every text that was sent,
// because a crash can leave a text without its note there.
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

// sum returns the digest by which a text is recognized in the target later, and
// "" if the target is no driver.Recognizer.
func (r *run) sum(text string) string {
	if known, is := r.Publisher.(driver.Recognizer); is {
		return r.loaded.state.state().sum(known.ModifiedOf(driver.NewValue(text)))
	}
	return ""
}

// placed returns the place to record: the present one if the target has just
// confirmed a text, else the recorded one.
func (r *run) placed(st *state) string {
	for _, dec := range r.pass.decisions {
		if dec.verdict == verdictConfirm && dec.next != nil && r.target.place != "" {
			return r.target.place
		}
	}
	return st.Place
}

// record stores all decisions in the ledger with one compare-and-set. This is
// the rule that makes a crash harmless: no text is sent, and no resource made,
// before its intent or its name is in the ledger. So the next run finds every
// request that may have been sent, and sends the same bytes again.
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
		// Without an intent, the target has confirmed a text without these versions.
		if dec.next.Intent == nil {
			retire = append(retire, dec.next.unused()...)
		}
		// A request to a generator that ends here is swept. If this run received the
		// value, one sweep is enough. Otherwise the request may still be late.
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
			r.pass.items = append(r.pass.items, driver.Item{Name: dec.next.Name,
				Text: driver.NewValue(dec.next.Intent.Text), Note: dec.next.Intent.Note})
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
	var entries []LogEntry
	for _, s := range r.targets() {
		dec := r.pass.decisions[s.Address]
		all = append(all, dec.actions...)
		entries = append(entries, logOf(dec, r.By, r.now())...)
	}
	swapped.log(entries...)
	swapped = swapped.released(st.policy(r.now(), r.Window, r.Margin, r.Limit))
	r.tell(Event{Stage: StageRecord, Secrets: len(records), Actions: all})
	committed, rev, err := Commit(ctx, r.Ledger, r.loaded.rev, wrapState(swapped))
	switch {
	case errors.Is(err, ErrSuperseded):
		// The decisions were stored, and another run may have acted on them already. So
		// they are not sent from here, and no order begins a second time.
		r.collectDone()
		return r.again()
	case errors.Is(err, ErrConflict):
		return r.again()
	case err != nil:
		return err
	}
	for _, rec := range records {
		if rec.Making == nil {
			delete(r.mine.made, rec.Address) // a version has it now; no second one may use it
		}
	}
	r.collectDone()
	r.collect()
	r.loaded.state, r.loaded.rev = committed, rev
	r.pass.recorded, r.stage, r.pass.toMake = r.now(), stageMake, len(r.pass.minting)
	return nil
}

// collectDone marks the orders that are in the ledger, so that a later pass,
// after a conflict too, does not carry them out twice.
func (r *run) collectDone() {
	for addr, dec := range r.pass.decisions {
		one := r.orders[addr]
		switch {
		case dec.done && one.op == orderRotate: // forced once; then the schedule decides
			one.force, one.immediate = false, false
			r.orders[addr] = one
		case dec.done && one.op != orderApply:
			r.mine.done[addr] = true
		}
	}
}

// again begins again with the ledger of the run that was first. It returns an
// error that wraps ErrConflict after maxConflicts.
func (r *run) again() error {
	if r.tries.conflicts++; r.tries.conflicts > maxConflicts {
		return fmt.Errorf("%w %d times: run it again when the others have finished", ErrConflict, maxConflicts)
	}
	r.stage = stageLoad
	return nil
}

// logOf returns the log entries for a decision.
func logOf(dec decision, by string, at time.Time) []LogEntry {
	var entries []LogEntry
	for _, a := range dec.actions {
		e := LogEntry{At: at, By: by, Op: a.Action, Address: a.Address.String()}
		if dec.next != nil {
			e.Document = dec.next.Gen
		}
		if a.Version != "" {
			e.IDs = []string{a.Version}
		}
		entries = append(entries, e)
	}
	return entries
}

// makeOne asks a generator for the next value. The request is sent once, under
// the name that the ledger holds. The next pass records the value as a version.
func (r *run) makeOne(ctx context.Context) error {
	if len(r.pass.minting) == 0 {
		r.stage = stagePublish
		return nil
	}
	// Another run may have swept the name by now: a resource that is made
	// afterwards would be left behind.
	if r.overslept() {
		r.stage = stageLoad
		return nil
	}
	addr := r.pass.minting[0]
	r.pass.minting = r.pass.minting[1:]
	spec, _ := r.Operator.find(addr)
	m := r.loaded.state.state().find(addr).Making
	r.tell(Event{Stage: StageMake, Secrets: r.pass.toMake, Done: r.pass.toMake - len(r.pass.minting) - 1})
	made, err := r.Generators[m.Generator].Make(ctx, m.Name, maps.Clone(spec.Params))
	if err == nil {
		err = checkValue(spec, made.Value.Reveal())
	}
	if err != nil {
		// The secret is only settled from here on: the name is swept, and the next run
		// makes another value.
		one := r.orders[addr]
		one.op = orderSettle
		r.orders = maps.Clone(r.orders)
		r.orders[addr] = one
		r.report.notes = append(r.report.notes,
			fmt.Errorf("%s: %s could not make its value: %w", addr, m.Generator, err))
		return nil
	}
	r.mine.made[addr] = version{Value: made.Value.Reveal(),
		Resource: &resource{Generator: m.Generator, Name: m.Name, ID: made.ID}}
	return nil
}

// publishAll sends the recorded texts. Each request is sent once: a retry
// inside the Publisher would be a second request that the ledger does not
// record.
func (r *run) publishAll(ctx context.Context) error {
	if len(r.pass.items) == 0 {
		r.stage = stageDecide
		return nil
	}
	counting := r.counted(ctx, Event{Stage: StagePublish, Secrets: len(r.pass.items)})
	// A run that was held up must not send: other runs may have taken over the
	// intent and wait for late requests for a margin only. It loads and decides
	// again.
	if r.tooLate() {
		r.stage = stageLoad
		return nil
	}
	// The answer decides only whether the outcome is certain. The note in the
	// target decides whether the text is published.
	errs := r.Publisher.Publish(counting, r.pass.items)
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

// overslept reports whether the decisions were recorded too long ago to send
// them. Another run may have taken over the intent and confirmed it. That run
// allows a margin for late requests, and a request that leaves after
// policy.prompt could exceed it.
func (r *run) overslept() bool {
	p := r.loaded.state.state().policy(r.now(), r.Window, r.Margin, r.Limit)
	return p.now.After(r.pass.recorded.Add(p.prompt()))
}

// tooLate reports whether it is too late to send the recorded texts: the run
// overslept, or lives in a text began longer than policy.fresh ago, and readers
// would receive it only after that.
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

// look inspects the target after a publish, and again while it reports Pending:
// a text is confirmed only when readers can read it, because the window begins
// then.
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

// interrupted returns an error that wraps ErrInterrupted and has the number of
// secrets that the next run finishes.
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
	return fmt.Errorf("%w: %s recorded in the ledger and not confirmed by the target: the next run finishes that",
		ErrInterrupted, what)
}
