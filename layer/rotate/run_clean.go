package rotate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// This file is the last step of a run: it ends the generators' resources that
// no version uses. A resource must live as long as any version in a published
// text uses it, and none may be left behind by a crash. So a resource comes
// into state.Retire only when the target has confirmed a text without it, and a
// name stays in state.Sweep until no late request can make a resource under it.

// clean retires the resources in state.Retire and sweeps the names in
// state.Sweep. An entry that fails stays for the next run.
func (r *run) clean(ctx context.Context) error {
	st := r.loaded.state.state()
	if r.tries.cleaned || len(st.Retire)+len(st.Sweep) == 0 {
		r.stage = stageDone
		return nil
	}
	r.tries.cleaned = true
	r.tell(Event{Stage: StageClean})
	next := *st
	next.Retire, next.Sweep = nil, nil
	for _, res := range st.Retire {
		g := r.generator(res.Generator, r.request(res.Generator, res.request))
		if g == nil {
			next.Retire = append(next.Retire, res)
			continue
		}
		if err := g.Retire(ctx, res.ID); err != nil {
			next.Retire = append(next.Retire, res)
			r.report.notes = append(r.report.notes, fmt.Errorf("%s: an unused resource could not be ended, "+
				"the next run tries again%s: %w", from(res.Generator, res.Address), res.named(), err))
		}
	}
	names := map[string][]sweep{} // by generator, and by request if it depends on that
	for _, s := range st.Sweep {
		names[r.sweeper(s)] = append(names[r.sweeper(s)], s)
	}
	failed := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		generator := names[key][0].Generator
		g := r.generator(generator, r.request(generator, names[key][0].request))
		if g == nil {
			failed[key] = true
			continue
		}
		var list []string
		for _, s := range names[key] {
			list = append(list, s.Name)
		}
		address := names[key][0].Address
		if err := g.Sweep(ctx, list, st.known(generator, address)); err != nil {
			failed[key] = true
			r.report.notes = append(r.report.notes,
				fmt.Errorf("%s: the remains of a crash could not be swept up, the next run tries again: %w",
					from(generator, address), err))
		}
	}
	// A late request may still make a resource before Until.
	for _, s := range st.Sweep {
		if failed[r.sweeper(s)] || r.now().Before(s.Until) {
			next.Sweep = append(next.Sweep, s)
		}
	}
	if len(next.Retire)+len(next.Sweep) == len(st.Retire)+len(st.Sweep) {
		r.stage = stageDone
		return nil
	}
	committed, rev, err := Commit(ctx, r.Ledger, r.loaded.rev, wrapState(&next))
	switch {
	case errors.Is(err, ErrConflict):
		r.stage = stageDone // the next run cleans up
		return nil
	case err != nil:
		return err
	}
	r.loaded.state, r.loaded.rev, r.stage = committed, rev, stageDone
	return nil
}

// from returns the words for a generator, with the address of its secret if it
// depends on that.
func from(generator, address string) string {
	if address == "" {
		return generator
	}
	return address + ": " + generator
}

// named returns the words for the id of a resource that an operator may have to
// end.
func (r resource) named() string {
	if r.Address == "" {
		return ""
	}
	return fmt.Sprintf(" (its id is %s)", r.ID)
}

// uses reports whether a version holds a resource, or state.Retire already
// lists it.
func (s *state) uses(res resource) bool {
	for _, rec := range s.Secrets {
		for _, v := range rec.Versions {
			if v.Resource != nil && v.Resource.Generator == res.Generator && v.Resource.ID == res.ID &&
				v.Resource.Address == res.Address {
				return true
			}
		}
	}
	return slices.ContainsFunc(s.Retire, res.same)
}

// known returns the ids of a generator's resources that versions hold. A sweep
// ends all others under the names that it is given. If the generator depends on
// the secret, only the ids of that secret are returned: another one may be at
// another provider, which uses the same ids.
func (s *state) known(generator, address string) []string {
	var ids []string
	for _, rec := range s.Secrets {
		for _, v := range rec.Versions {
			if v.Resource != nil && v.Resource.Generator == generator && v.Resource.Address == address {
				ids = append(ids, v.Resource.ID)
			}
		}
	}
	slices.SortFunc(ids, cmp.Compare)
	return slices.Compact(ids)
}
