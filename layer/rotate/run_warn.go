package rotate

import (
	"context"
	"fmt"
	"slices"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file warns the operator of a generator that cannot do its part of a
// change, such as to end a revoked value. The change is carried out in any case,
// because ledger and target can do theirs. But the operator must know before
// anything changes, so the generators are asked before the decisions are
// recorded.

// ability is a generator's answer to driver.Limited.
type ability struct {
	can bool
	err error // it is not known
}

// requested returns a key that resources of the same generator and request
// share.
func (r *run) requested(res resource) string {
	return r.sweeper(sweep{Generator: res.Generator, request: res.request})
}

// askOne asks one generator whether it can end values.
func (r *run) askOne(ctx context.Context) error {
	if err := r.askAbout(ctx, *r.pass.ask); err != nil {
		return err
	}
	r.pass.ask, r.stage = nil, stageDecide
	return nil
}

func (r *run) askAbout(ctx context.Context, res resource) error {
	r.tell(Event{Stage: StageAsk})
	limited := r.generator(res.Generator, r.request(res.Generator, res.request)).(driver.Limited)
	can, err := limited.CanRetire(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.mine.ends[r.requested(res)] = ability{can, err}
	return nil
}

// unasked reports whether a generator still has to be asked about a resource.
func (r *run) unasked(res resource) bool {
	_, asked := r.mine.ends[r.requested(res)]
	_, limited := r.generator(res.Generator, r.request(res.Generator, res.request)).(driver.Limited)
	return limited && !asked
}

// askFirst begins the question that a decision needs, if there is one.
func (r *run) askFirst(st *state) bool {
	for _, spec := range r.targets() {
		for _, v := range givenUp(st.find(spec.Address), r.pass.decisions[spec.Address]) {
			if st.otherHolder(spec.Address, *v.Resource) == nil && r.unasked(*v.Resource) {
				r.pass.ask, r.stage = v.Resource, stageAsk
				return true
			}
		}
	}
	return false
}

// givenUp returns the versions of a record whose resources a decision gives up:
// those that leave the document, and the current one if it is to be replaced.
func givenUp(old *record, dec decision) (list []version) {
	next := dec.next
	if old.empty() || next == nil {
		return nil
	}
	replaced := dec.make || next.Current != old.Current || next.Announced != "" && next.Announced != old.Announced
	for i := range old.Versions {
		v := &old.Versions[i]
		now := next.version(v.ID)
		switch {
		case v.Resource == nil || v.Gone != "":
		case v.ID == old.Current && replaced, (now == nil || now.Gone != "") && !next.holds(*v.Resource):
			list = append(list, *v)
		}
	}
	return list
}

// holds reports whether a version in the document has a resource.
func (r *record) holds(res resource) bool {
	return slices.ContainsFunc(r.Versions, func(v version) bool {
		return v.Gone == "" && v.Resource != nil && v.Resource.same(res)
	})
}

// warn reports the parts of the decisions that generators cannot do, each once.
func (r *run) warn(st *state) {
	var list []*Problem
	for _, spec := range r.targets() {
		dec := r.pass.decisions[spec.Address]
		if t, ok := r.mine.tested[spec.Address]; ok && t.untested && dec.next != nil {
			list = append(list, r.warning(spec.Address, Untested, t.version, "%s cannot test a value: the value of version "+
				"%s is published again untested", spec.Generator, t.version))
		}
		list = append(list, r.lasting(st, spec.Address, givenUp(st.find(spec.Address), dec))...)
	}
	r.warned(list)
}

func (r *run) warned(list []*Problem) {
	list = slices.DeleteFunc(list, func(p *Problem) bool {
		return p == nil || slices.ContainsFunc(r.report.warnings, func(o *Problem) bool {
			return o.Kind == p.Kind && o.Address == p.Address && o.Version == p.Version
		})
	})
	if len(list) > 0 {
		r.report.warnings = append(slices.Clip(r.report.warnings), list...)
		r.tell(Event{Stage: StageAsk, Warnings: list})
	}
}

func (r *run) warning(addr secret.Address, kind Kind, id, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Address: addr, Version: id, Err: fmt.Errorf(format, args...)}
}

// otherHolder returns another record that has a resource in its document, and nil
// if there is none. After a rename, the record of the old address has it too.
func (s *state) otherHolder(addr secret.Address, res resource) *record {
	for _, rec := range s.Secrets {
		if rec.Address != addr && rec.holds(res) {
			return rec
		}
	}
	return nil
}

// lasting returns a warning for each version whose value its generator does not
// end, or may not end. Versions with the same value share one. A value that
// another secret has too is not given up, so only a revocation warns of it.
func (r *run) lasting(st *state, addr secret.Address, versions []version) (list []*Problem) {
	var seen []resource
	for _, v := range versions {
		if slices.ContainsFunc(seen, v.Resource.same) {
			continue
		}
		seen = append(seen, *v.Resource)
		switch other := st.otherHolder(addr, *v.Resource); {
		case other == nil:
			list = append(list, r.lasts(addr, v))
		case r.orders[addr].op == orderRevoke:
			list = append(list, r.warning(addr, NotEnded, v.ID, "%s has the value of version %s too: the value works until "+
				"that secret is removed", other.Address, v.ID))
		}
	}
	return list
}

func (r *run) lasts(addr secret.Address, v version) *Problem {
	res := *v.Resource
	answer, asked := r.mine.ends[r.requested(res)]
	switch {
	case r.Generators[res.Generator] == nil:
		return r.warning(addr, NotEnded, v.ID, "its generator %s is not registered here: the value of version %s works until "+
			"a run that has the generator ends it%s", res.Generator, v.ID, res.named())
	case !asked:
		return nil // it can end any value
	case answer.err != nil && r.scheduled(addr):
		return nil // if it cannot, Retire reports it in time: each rotation would warn of a mere doubt
	case answer.err != nil:
		return r.warning(addr, EndUnknown, v.ID, "it is not known whether %s can end a value: the value of version %s may "+
			"work until it is ended at its provider%s: %w", res.Generator, v.ID, res.named(), answer.err)
	case !answer.can:
		return r.warning(addr, NotEnded, v.ID, "%s cannot end a value: the value of version %s works until it is ended at "+
			"its provider%s", res.Generator, v.ID, res.named())
	}
	return nil
}

// scheduled reports whether a secret only follows its schedule.
func (r *run) scheduled(addr secret.Address) bool {
	o := r.orders[addr]
	return (o.op == orderRotate || o.op == orderApply) && !o.immediate
}
