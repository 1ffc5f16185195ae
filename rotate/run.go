package rotate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/layeron-hq/secret"
)

// run is one operation under way. Each step makes one call to ledger, publisher or generator at most, so that whoever tests it
// can stop, interleave and copy runs between any two.
type run struct {
	*Operator
	op     string // for the log
	orders map[secret.Address]order
	stage  runStage

	state State
	rev   Revision
	found map[string]Published
	names map[secret.Address]string

	passes, conflicts, looks int
	decisions                map[secret.Address]decision
	makes                    []secret.Address // still to be made
	items                    []Item           // to be published
	to                       []secret.Address // whose they are
	checked                  bool
	sent                     map[secret.Address]sending
	made                     map[secret.Address]version
	done                     map[secret.Address]bool // changes that are in the ledger
	actions                  []Action
	problems                 map[secret.Address]error
	notes                    []error // what failed beside the secrets
	cleaned                  bool
}

// sending is a generation that this run has published.
type sending struct {
	gen uint64
	err error
}

type runStage int

const (
	stageLoad runStage = iota
	stageInspect
	stageDecide
	stageMake
	stagePublish
	stageLook
	stageClean
	stageDone
)

const (
	maxConflicts = 20
	maxPasses    = 12
	maxLooks     = 8 // after a publish, while the store says pending
)

// errStop ends a run before it changes anything.
var errStop = errors.New("stopped before anything was changed")

func newRun(o *Operator, orders map[secret.Address]order, op string) *run {
	return &run{Operator: o, op: op, orders: orders, sent: map[secret.Address]sending{}, made: map[secret.Address]version{},
		done: map[secret.Address]bool{}, problems: map[secret.Address]error{}, names: map[secret.Address]string{}}
}

// copy returns a run that goes on by itself.
func (r *run) copy() *run {
	c := *r
	c.sent, c.made, c.done = maps.Clone(r.sent), maps.Clone(r.made), maps.Clone(r.done)
	c.problems, c.names, c.orders = maps.Clone(r.problems), maps.Clone(r.names), maps.Clone(r.orders)
	c.actions, c.notes = slices.Clone(r.actions), slices.Clone(r.notes)
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
	case stageInspect:
		return r.inspect(ctx, stageDecide)
	case stageDecide:
		return r.decideAll(ctx)
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
	r.tell(Event{Stage: "load"})
	st, rev, err := r.Ledger.Load(ctx)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("there is no ledger yet: `layer secret init` makes one (%w)", err)
	}
	if err != nil {
		return err
	}
	if to := st.state().Fenced; to != "" && !r.DryRun {
		return fmt.Errorf("%w: this ledger has moved to %s: use that one", errRefused, to)
	}
	r.state, r.rev, r.stage = st, rev, stageInspect
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

func (r *run) inspect(ctx context.Context, next runStage) error {
	var names []string
	for _, s := range r.targets() {
		name := r.name(s)
		if rec := r.state.state().find(s.Address); !rec.empty() && r.orders[s.Address].op != orderRename {
			name = rec.Name
		}
		r.names[s.Address] = name
		names = append(names, name)
	}
	r.tell(Event{Stage: "inspect", Secrets: len(names)})
	if len(names) == 0 {
		r.found, r.stage = nil, next
		return nil
	}
	found, err := r.Publisher.Inspect(ctx, names)
	if err != nil {
		return err
	}
	r.found, r.stage = found, next
	return nil
}

func (r *run) desk() *desk {
	st := r.state.state()
	d := newDesk(st, st.policy(r.now(), r.Window, r.Margin, r.Limit))
	if r.mint != nil {
		d.mint = r.mint
	}
	d.able = func(name string) bool { return r.Generators[name] != nil }
	d.made = func(a secret.Address) (version, bool) { v, ok := r.made[a]; return v, ok }
	if r.DryRun {
		d.made = plannedValue
	}
	d.sent = func(a secret.Address) (uint64, bool) { s, ok := r.sent[a]; return s.gen, ok && s.err == nil }
	return d
}

func (r *run) sighting(rec *record, name string) sighting {
	p, ok := r.found[name]
	seen := sighting{Published: p, exists: ok}
	if known, is := r.Publisher.(Recognizer); is && ok && rec != nil && rec.Intent != nil {
		seen.own = known.ModifiedOf(NewValue(rec.Intent.Text)) == p.Modified
	}
	return seen
}

// decideAll decides on every secret and swaps the outcome into the ledger, in one step.
func (r *run) decideAll(ctx context.Context) error {
	d := r.desk()
	st := d.state
	if err := r.checkNames(st); err != nil {
		return err
	}
	r.decisions = map[secret.Address]decision{}
	var creates []string
	changed := false
	contradicted, standing := 0, 0
	for _, spec := range r.targets() {
		rec, one := st.find(spec.Address), r.orders[spec.Address]
		if r.done[spec.Address] {
			one = order{adopt: one.adopt}
		}
		name := r.name(spec)
		if one.op == orderRename {
			var err error
			if rec, one, err = st.renaming(rec, one, name); err != nil {
				return err
			}
		}
		dec := d.decide(spec, name, rec, r.sighting(rec, r.names[spec.Address]), one)
		if dec.create && dec.send {
			creates = append(creates, dec.next.Name)
		}
		changed = changed || dec.next != nil
		if dec.verdict == verdictAhead && !one.adopt && r.op != "status" && len(r.sent) == 0 {
			return fmt.Errorf("%w: %s: %w", errStop, spec.Address, dec.problem)
		}
		if rec != nil && rec.Published != nil {
			if _, ok := r.found[rec.Name]; ok {
				standing++
			}
			if dec.verdict == verdictDrifted {
				if n, ok := st.readNote(rec.Name, r.found[rec.Name].Note); ok && !n.ours {
					contradicted++
				}
			}
		}
		r.decisions[spec.Address] = dec
		r.problem(spec.Address, dec.problem)
	}
	if contradicted > 0 && contradicted == standing && len(r.sent) == 0 && r.op != "status" && !r.adopts() {
		return fmt.Errorf("%w: no value in the store was published by this ledger, though it says so: it is a stale or forged copy, or "+
			"the target is another's. Get the right ledger, or `layer secret rotate --adopt-ledger` goes on with this one", errStop)
	}
	if r.DryRun {
		r.collect()
		r.stage = stageDone
		return nil
	}
	if checker, ok := r.Publisher.(Checker); ok && len(creates) > 0 && !r.checked {
		r.tell(Event{Stage: "check", Secrets: len(creates)})
		r.checked = true
		if err := checker.Check(ctx, creates); err != nil {
			return fmt.Errorf("%w: %w", errStop, err)
		}
		return nil // decided anew: time has passed
	}
	if !changed {
		r.stage = stageClean
		return nil
	}
	if r.passes++; r.passes > maxPasses {
		return fmt.Errorf("%w after %d attempts: run it again", errUnsettled, maxPasses)
	}
	return r.record(ctx, st)
}

func (r *run) adopts() bool {
	for _, o := range r.orders {
		return o.adopt
	}
	return false
}

func (r *run) problem(addr secret.Address, err error) {
	if err == nil {
		delete(r.problems, addr)
		return
	}
	if s, ok := r.sent[addr]; ok && s.err != nil && errors.Is(err, errUnsettled) {
		err = fmt.Errorf("%w: %w", err, s.err)
	}
	r.problems[addr] = err
}

// checkNames refuses a name in the store that another secret of the ledger has, declared or not.
func (r *run) checkNames(st *state) error {
	users := map[string]secret.Address{}
	for _, rec := range st.Secrets {
		if !rec.empty() {
			users[rec.Name] = rec.Address
		}
	}
	for _, s := range r.targets() {
		if other, ok := users[r.name(s)]; ok && other != s.Address && other != r.orders[s.Address].source {
			return fmt.Errorf("%w: the name %s in the store belongs to %s in the ledger: `layer secret rename '%s' '%s'` hands it over",
				errRefused, r.name(s), other, other, s.Address)
		}
	}
	return nil
}

// collect keeps what was decided for the result.
func (r *run) collect() {
	for _, s := range r.targets() {
		r.actions = append(r.actions, r.decisions[s.Address].actions...)
	}
}

// record swaps what was decided into the ledger: nothing leaves before that.
func (r *run) record(ctx context.Context, st *state) error {
	next := *st
	var records []*record
	r.items, r.to, r.makes = nil, nil, nil
	var retire []resource
	for _, s := range r.targets() {
		dec := r.decisions[s.Address]
		if dec.next == nil {
			continue
		}
		if dec.next.Intent == nil {
			retire = append(retire, dec.next.unused()...)
		}
		if old := st.find(s.Address); old != nil && old.Making != nil && old.Making != dec.next.Making {
			if old.Making.Name != "" {
				until := old.Making.At
				if _, mine := r.made[s.Address]; !mine {
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
			r.makes = append(r.makes, s.Address)
		}
		if dec.send {
			r.items = append(r.items, Item{Name: dec.next.Name, Text: NewValue(dec.next.Intent.Text), Note: dec.next.Intent.Note})
			r.to = append(r.to, s.Address)
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
		all = append(all, r.decisions[s.Address].actions...)
	}
	for _, e := range logOf(all, r.By, r.op, r.now()) {
		swapped.log(e)
	}
	r.tell(Event{Stage: "record", Secrets: len(records), Actions: all})
	committed, rev, err := Commit(ctx, r.Ledger, r.rev, hold(swapped))
	switch {
	case errors.Is(err, ErrSuperseded):
		r.collectDone()
		return r.again()
	case errors.Is(err, ErrConflict):
		return r.again()
	case err != nil:
		return err
	}
	r.collectDone()
	r.collect()
	r.state, r.rev = committed, rev
	r.stage = stageMake
	return nil
}

func (r *run) collectDone() {
	for addr, dec := range r.decisions {
		one := r.orders[addr]
		switch {
		case dec.done && one.op == orderRotate: // once; then the schedule rules
			one.force, one.immediate = false, false
			r.orders[addr] = one
		case dec.done && one.op != orderApply:
			r.done[addr] = true
		}
	}
}

// again begins anew with the ledger that somebody else has left.
func (r *run) again() error {
	if r.conflicts++; r.conflicts > maxConflicts {
		return fmt.Errorf("%w %d times: run it again when the others have finished", ErrConflict, maxConflicts)
	}
	r.stage, r.made = stageLoad, map[secret.Address]version{}
	return nil
}

func logOf(actions []Action, by, op string, at time.Time) []LogEntry {
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
	if len(r.makes) == 0 {
		r.stage = stagePublish
		return nil
	}
	addr := r.makes[0]
	r.makes = r.makes[1:]
	spec, _ := r.Operator.find(addr)
	m := r.state.state().find(addr).Making
	r.tell(Event{Stage: "make", Secrets: 1})
	made, err := r.Generators[m.Generator].Make(ctx, m.Name, maps.Clone(spec.Params))
	if err != nil {
		// Whatever it may have made is swept away by the next run, which makes another.
		r.problem(addr, fmt.Errorf("%w: %s could not make its value: %w", errUnsettled, m.Generator, err))
		one := r.orders[addr]
		one.op = orderSettle
		r.orders = maps.Clone(r.orders)
		r.orders[addr] = one
		r.notes = append(r.notes, fmt.Errorf("%s: %s could not make its value: %w", addr, m.Generator, err))
		return nil
	}
	r.made[addr] = version{Value: made.Value.Reveal(), Resource: &resource{Generator: m.Generator, Name: m.Name, ID: made.ID}}
	return nil
}

// publishAll sends what was decided, once.
func (r *run) publishAll(ctx context.Context) error {
	if len(r.items) == 0 {
		r.stage = stageDecide
		return nil
	}
	r.tell(Event{Stage: "publish", Secrets: len(r.items)})
	// A run that was held up for long sends nothing any more: the lives in it would have begun without readers knowing.
	if r.held() {
		r.stage = stageLoad
		return nil
	}
	errs := r.Publisher.Publish(ctx, r.items)
	for i, addr := range r.to {
		s := sending{gen: r.state.state().find(addr).Gen}
		if i < len(errs) {
			s.err = errs[i]
		}
		r.sent[addr] = s
	}
	r.items, r.to, r.looks = nil, nil, 0
	r.stage = stageLook
	return nil
}

func (r *run) held() bool {
	st := r.state.state()
	p := st.policy(r.now(), r.Window, r.Margin, r.Limit)
	for _, addr := range r.to {
		if in := st.find(addr).Intent; in.Timed && p.now.After(in.At.Add(p.fresh())) {
			return true
		}
	}
	return false
}

// look asks what the store holds now, and again while it says pending.
func (r *run) look(ctx context.Context) error {
	if r.looks > 0 {
		r.tell(Event{Stage: "wait"})
		if err := r.sleep(ctx, min(time.Second<<r.looks/4, 5*time.Second)); err != nil {
			return err
		}
	}
	if err := r.inspect(ctx, stageDecide); err != nil {
		return err
	}
	for _, addr := range slices.Collect(maps.Keys(r.sent)) {
		if r.found[r.names[addr]].Pending && r.looks < maxLooks {
			r.looks++
			r.stage = stageLook
			return nil
		}
	}
	return nil
}

// clean retires what no version uses any more, and sweeps up what crashes may have left.
func (r *run) clean(ctx context.Context) error {
	st := r.state.state()
	if r.cleaned || len(st.Retire)+len(st.Sweep) == 0 {
		r.stage = stageDone
		return nil
	}
	r.cleaned = true
	r.tell(Event{Stage: "clean"})
	next := *st
	next.Retire, next.Sweep = nil, nil
	for _, res := range st.Retire {
		g := r.Generators[res.Generator]
		if g == nil {
			next.Retire = append(next.Retire, res)
			continue
		}
		if err := g.Retire(ctx, res.ID); err != nil {
			next.Retire = append(next.Retire, res)
			r.notes = append(r.notes, fmt.Errorf("%s: what is not used any more could not be ended, the next run tries again: %w",
				res.Generator, err))
		}
	}
	names := map[string][]string{}
	for _, s := range st.Sweep {
		names[s.Generator] = append(names[s.Generator], s.Name)
	}
	failed := map[string]bool{}
	for _, generator := range slices.Sorted(maps.Keys(names)) {
		g := r.Generators[generator]
		if g == nil {
			failed[generator] = true
			continue
		}
		if err := g.Sweep(ctx, names[generator], st.known(generator)); err != nil {
			failed[generator] = true
			r.notes = append(r.notes, fmt.Errorf("%s: what a crash may have left could not be swept up, the next run tries again: %w",
				generator, err))
		}
	}
	for _, s := range st.Sweep {
		if failed[s.Generator] || r.now().Before(s.Until) {
			next.Sweep = append(next.Sweep, s)
		}
	}
	if len(next.Retire)+len(next.Sweep) == len(st.Retire)+len(st.Sweep) {
		r.stage = stageDone
		return nil
	}
	committed, rev, err := Commit(ctx, r.Ledger, r.rev, hold(&next))
	switch {
	case errors.Is(err, ErrConflict):
		r.stage = stageDone // the next run cleans up
		return nil
	case err != nil:
		return err
	}
	r.state, r.rev, r.stage = committed, rev, stageDone
	return nil
}

// uses tells whether a version still holds what a generator made.
func (s *state) uses(res resource) bool {
	for _, rec := range s.Secrets {
		for _, v := range rec.Versions {
			if v.Resource != nil && v.Resource.Generator == res.Generator && v.Resource.ID == res.ID {
				return true
			}
		}
	}
	return slices.ContainsFunc(s.Retire, func(o resource) bool { return o == res })
}

// known returns the ids of all that a generator made and the ledger knows.
func (s *state) known(generator string) []string {
	var ids []string
	for _, rec := range s.Secrets {
		for _, v := range rec.Versions {
			if v.Resource != nil && v.Resource.Generator == generator {
				ids = append(ids, v.Resource.ID)
			}
		}
	}
	slices.SortFunc(ids, cmp.Compare)
	return slices.Compact(ids)
}

// interrupted tells what is left.
func (r *run) interrupted() error {
	left := 0
	for _, rec := range r.state.state().Secrets {
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
