package rotate

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file removes a secret. The value leaves the target first and the ledger
// second: a crash in between leaves a record, and the next removal continues.
// Ids and generation stay in the ledger, so that a late request for the removed
// secret is recognized and no id is used twice.

// Remove removes a secret that is no longer declared from the target and the
// ledger. Its ids are never used again. A value in the target that this ledger
// did not publish stays there, and Remove returns a [Problem] of kind [Foreign]
// if the ledger holds a value.
func (o *Operator) Remove(ctx context.Context, addr secret.Address) (result Result, err error) {
	if _, ok := o.find(addr); ok {
		return Result{}, problemf(Refused, "%s is still declared: take the declaration out of the program first",
			addr).of(addr)
	}
	// A run without orders: it only cleans up after the removal.
	r := newRun(o, nil, "remove")
	unlock, err := o.lock(ctx)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	for {
		if err := r.load(ctx); err != nil {
			return Result{}, err
		}
		// After a conflict the removal begins again with the present record. After
		// ErrSuperseded it is stored, and another run has changed the ledger since.
		removed, err := r.remove(ctx, addr)
		if errors.Is(err, ErrConflict) && !errors.Is(err, ErrSuperseded) {
			if err := r.again(); err != nil {
				return Result{}, err
			}
			continue
		}
		if err != nil && !errors.Is(err, ErrSuperseded) {
			return Result{}, err
		}
		if removed {
			r.report.actions = []taken{{Action: Action{Address: addr, Action: OpRemove}}}
		}
		if o.DryRun || err != nil {
			return r.result(), nil
		}
		err = r.clean(ctx)
		return r.result(), err
	}
}

// remove deletes the value and then clears the record. It reports whether it
// removed something, or would in a dry run.
func (r *run) remove(ctx context.Context, addr secret.Address) (bool, error) {
	st := r.loaded.state.state()
	rec := st.find(addr)
	switch {
	case rec == nil:
		return false, problemf(Refused, "the ledger has no record of %s: look for a typing error. Nothing was removed",
			addr).of(addr)
	case rec.Removed:
		return false, nil
	}
	if err := r.warnOfRemoval(ctx, st, rec); err != nil || r.DryRun {
		return err == nil, err
	}
	former, err := r.removable(ctx, st, rec)
	if err != nil {
		return false, err
	}
	if err := r.removeValue(ctx, st, rec); err != nil {
		return false, err
	}
	if err := r.deleteValues(ctx, addr, former); err != nil {
		return false, err
	}
	// Only now, after the target has confirmed the deletion, the values leave the
	// ledger. Ids, lives and the generation stay.
	gone := rec.clone()
	for i := range gone.Versions {
		if v := &gone.Versions[i]; v.Gone == "" {
			v.leave(GoneRemoved)
		}
	}
	gone.Current, gone.Announced, gone.Intent, gone.Published, gone.Removed, gone.Left = "", "", nil, nil, true, nil
	retire := gone.unused()
	next := st.with(gone)
	// A late request to a generator may still make a resource under this name.
	if rec.Making != nil {
		gone.Making = nil
		next.Sweep = append(slices.Clip(next.Sweep), rec.Making.swept(r.lateUntil(st)))
	}
	for _, res := range retire {
		if !next.uses(res) {
			next.Retire = append(slices.Clip(next.Retire), res)
		}
	}
	next.log(LogEntry{At: r.now(), By: r.By, Op: OpRemove, Address: addr.String()})
	committed, rev, err := Commit(ctx, r.Ledger, r.loaded.rev, wrapState(next))
	if err != nil {
		return false, err
	}
	r.loaded.state, r.loaded.rev = committed, rev
	return true, nil
}

// warnOfRemoval warns of the values that no generator ends.
func (r *run) warnOfRemoval(ctx context.Context, st *state, rec *record) error {
	var versions []version
	for _, v := range rec.Versions {
		if v.Gone != "" || v.Resource == nil || st.otherHolder(rec.Address, *v.Resource) != nil {
			continue
		}
		if r.unasked(*v.Resource) {
			if err := r.askAbout(ctx, *v.Resource); err != nil {
				return err
			}
		}
		versions = append(versions, v)
	}
	r.warned(r.lasting(st, rec.Address, versions))
	return nil
}

// removeValue deletes the value that the ledger published, and inspects the
// target to verify that. A value is the ledger's by its note. If the note is
// missing or was edited, it is the ledger's by its Modified.
func (r *run) removeValue(ctx context.Context, st *state, rec *record) error {
	name := rec.Name
	found, err := r.Publisher.Inspect(ctx, []string{name})
	if err != nil {
		return err
	}
	r.target.found = found
	now, ok := found[name]
	if !ok {
		return nil
	}
	_, noted := st.ownNote(name, now.Note)
	// A signed note can be beside a text of another writer, if that changed the
	// text alone: a driver.Recognizer shows that.
	seen := r.sighting(rec, name)
	ours := noted && !seen.foreign() || seen.sent || rec.Published != nil && rec.Published.Modified == now.Modified
	switch {
	case rec.empty() && !ours:
		return nil // the ledger never held a value
	case !ours:
		return problemf(Foreign, "the target holds a value under %s that is none of this ledger's: "+
			"it stays there, and nothing was removed. "+
			"Delete it there by hand, then remove the secret again", name).of(rec.Address)
	}
	return r.deleteValues(ctx, rec.Address, []string{name})
}

// deleteValues deletes the values of a secret under these names, and inspects
// the target to verify that.
func (r *run) deleteValues(ctx context.Context, addr secret.Address, names []string) error {
	if len(names) == 0 {
		return nil
	}
	remover, ok := r.Publisher.(driver.Remover)
	if !ok {
		return problemf(Refused, "this target cannot delete values: "+
			"delete %s there by hand, then remove the secret again", strings.Join(names, ", ")).of(addr)
	}
	if err := errors.Join(remover.Remove(ctx, names)...); err != nil {
		return err
	}
	found, err := r.Publisher.Inspect(ctx, names)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return problemf(Unsettled, "the target still holds %s: try again in a minute",
			strings.Join(slices.Sorted(maps.Keys(found)), ", ")).of(addr)
	}
	return nil
}
