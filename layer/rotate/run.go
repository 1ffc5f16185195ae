package rotate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file is the order of the steps of a run:
//
//	load, inspect, decide, record, make, test, publish, look, decide, clean
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
	trial     *trial           // a value that is tested; it is never changed
	ask       *resource        // whose generator is asked whether it can end values
}

// tries are the counts of repeated steps, and the steps that are done once.
type tries struct {
	passes, conflicts, looks int
	checked, cleaned         bool
	fitted                   map[string]int // sizes that the target has room for
	short                    map[secret.Address]shortage
}

// mine are this run's own changes.
type mine struct {
	sent map[secret.Address]sending
	made map[secret.Address]version // by generators, and in no record yet
	done map[secret.Address]bool    // orders that are in the ledger and must not begin again
	// failed are the resources of values that did not work, until the record has
	// dropped their request.
	failed map[secret.Address]resource
	tested map[secret.Address]tested // results for older values
	ends   map[string]ability        // by run.requested
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
	warnings  []*Problem                  // of generators that cannot do their part
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
	stageAsk
	stageAscertain
	stageMake
	stageTest
	stagePublish
	stageLook
	stageClean
	stageDone
)

// reads reports whether a stage changes nothing outside, so that an interrupted
// run need not wait for its end.
func (s stage) reads() bool {
	return s == stageLoad || s == stageInspect || s == stageAsk || s == stageAscertain || s == stageTest || s == stageLook
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
		mine: mine{map[secret.Address]sending{}, map[secret.Address]version{}, map[secret.Address]bool{},
			map[secret.Address]resource{}, map[secret.Address]tested{}, map[string]ability{}},
		report: report{problems: map[secret.Address]*Problem{}, finished: map[secret.Address]*Problem{}}}
}

// copy returns an independent copy of the run, for tests.
func (r *run) copy() *run {
	c := *r
	c.orders, c.target.names = maps.Clone(r.orders), maps.Clone(r.target.names)
	c.mine = mine{maps.Clone(r.mine.sent), maps.Clone(r.mine.made), maps.Clone(r.mine.done),
		maps.Clone(r.mine.failed), maps.Clone(r.mine.tested), maps.Clone(r.mine.ends)}
	c.report = report{slices.Clone(r.report.actions), maps.Clone(r.report.problems),
		slices.Clone(r.report.adoptions), maps.Clone(r.report.finished), slices.Clone(r.report.notes),
		slices.Clone(r.report.warnings)}
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
	case stageAsk:
		return r.askOne(ctx)
	case stageAscertain:
		return r.ascertain(ctx)
	case stageMake:
		return r.makeOne(ctx)
	case stageTest:
		return r.testOne(ctx)
	case stagePublish:
		return r.publishAll(ctx)
	case stageLook:
		return r.look(ctx)
	case stageClean:
		return r.clean(ctx)
	}
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
	d.asks = func(name string) bool { _, ok := r.Generators[name].(driver.RequestGenerator); return ok }
	d.most, d.tests = r.mostInUse, r.tests
	d.tested = func(a secret.Address) (tested, bool) { t, ok := r.mine.tested[a]; return t, ok }
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

// interrupted returns an error that wraps ErrInterrupted and has the number of
// secrets that the next run finishes.
func (r *run) interrupted() error {
	left, making := 0, false
	for _, rec := range r.loaded.state.state().Secrets {
		if rec.Intent != nil {
			left++
		}
		making = making || rec.Making != nil
	}
	switch {
	case left == 0 && making:
		return fmt.Errorf("%w: no new version is recorded, and the next run ends a value that a generator may have made",
			ErrInterrupted)
	case left == 0:
		return fmt.Errorf("%w: nothing is left half done", ErrInterrupted)
	}
	what := "1 secret is"
	if left > 1 {
		what = fmt.Sprintf("%d secrets are", left)
	}
	return fmt.Errorf("%w: %s recorded in the ledger and not confirmed by the target: the next run finishes that",
		ErrInterrupted, what)
}
