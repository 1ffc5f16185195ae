package rotate

import (
	"context"
	"fmt"
	"maps"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file sends the recorded requests: to the generators, and to the target.
// Each is sent once, and only soon after its record was stored.

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
		r.pass.minting, r.stage = nil, stageLoad
		if len(r.mine.made) > 0 {
			// Values that were made are kept: they are recorded unless another run has
			// changed the ledger.
			r.stage = stageDecide
		}
		return nil
	}
	addr := r.pass.minting[0]
	r.pass.minting = r.pass.minting[1:]
	spec, _ := r.Operator.find(addr)
	rec := r.loaded.state.state().find(addr)
	m := rec.Making
	r.tell(Event{Stage: StageMake, Secrets: r.pass.toMake, Done: r.pass.toMake - len(r.pass.minting) - 1})
	asked := r.request(m.Generator, m.request)
	asked.InUse = rec.inUse(m.Generator, r.now())
	g := r.generator(m.Generator, asked)
	if err := r.sweepEarlier(ctx, spec, g); err != nil {
		r.unmade(addr, err)
		return nil
	}
	made, err := g.Make(ctx, m.Name, maps.Clone(spec.Params))
	if err == nil {
		err = checkValue(spec, made.Value.Reveal())
	}
	if err != nil {
		r.unmade(addr, fmt.Errorf("%s: %s could not make its value%s: %w", addr, m.Generator, r.notRevoked(addr), err))
		return nil
	}
	v := version{Value: made.Value.Reveal(),
		Resource: &resource{Generator: m.Generator, Name: m.Name, ID: made.ID, request: m.request}}
	if _, ok := g.(driver.Tester); ok {
		r.pass.trial, r.stage = &trial{addr: addr, value: v}, stageTest
		return nil
	}
	r.mine.made[addr] = v
	return nil
}

// unmade reports that a secret gets no new value in this run. The secret is
// only settled from here on: the name is swept, and the next run makes another
// value.
func (r *run) unmade(addr secret.Address, err error) {
	one := r.orders[addr]
	one.op = orderSettle
	r.orders = maps.Clone(r.orders)
	r.orders[addr] = one
	r.report.notes = append(r.report.notes, err)
}

// notRevoked returns the words for an order to revoke a version whose successor
// could not be made.
func (r *run) notRevoked(addr secret.Address) string {
	if r.orders[addr].op == orderRevoke {
		return ", so nothing was revoked"
	}
	return ""
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
