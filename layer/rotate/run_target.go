package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file moves the values from one target to another. The ledger records the
// new target, and a text of every secret for it, in one change. Runs then
// publish and confirm these texts like any other, also after a crash. The old
// target keeps its values until they are removed. Readers change over in the
// meantime, so no version is flipped and none is pruned until a window and a
// margin after each confirmation.

// former is a target from which the values were moved.
type former struct {
	Target string    `json:"target"`
	At     time.Time `json:"at"`
	Values []left    `json:"values,omitempty"`
}

// left is a value in a former target, as it was when the values were moved.
type left struct {
	Address  secret.Address `json:"address"`
	Name     string         `json:"name"`
	Gen      uint64         `json:"gen"`
	Note     string         `json:"note"`
	Modified string         `json:"modified"`
}

// FormerTargets returns the targets from which the values were moved, and whose
// values were not removed yet, the oldest first.
func (s State) FormerTargets() []string {
	var names []string
	for _, f := range s.state().Targets {
		names = append(names, f.Target)
	}
	return names
}

// MoveTarget publishes the values to a new target, and records it in the
// ledger. target is its name, and Publisher must publish to it. It begins only
// if the present target has confirmed every text, and never overwrites a value
// of another writer. If target is the ledger's target already, it finishes an
// earlier move.
//
// Secrets that are not declared move too. The values in the old target stay
// until [Operator.RemoveFormer].
func (o *Operator) MoveTarget(ctx context.Context, target string) (result Result, err error) {
	unlock, err := o.lock(ctx)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	all := *o
	all.Ledger = unlocked{o.Ledger} // MoveTarget holds the lock
	for {
		r := newRun(&all, nil, "target")
		if err := r.load(ctx); err != nil {
			return Result{}, err
		}
		st := r.loaded.state.state()
		all.Spec = withUndeclared(o.Spec, st)
		if err := all.checkSpec(); err != nil {
			return Result{}, err
		}
		r.orders = all.all(order{op: orderSettle})
		if st.Config.Target == target {
			return all.run(ctx, r.orders, "target")
		}
		next, err := r.moved(ctx, st, target)
		if err != nil {
			return Result{}, err
		}
		if o.DryRun {
			return r.result(), nil
		}
		// From this change on the ledger names the new target. A run publishes there,
		// and finishes the move after a crash.
		_, _, err = Commit(ctx, o.Ledger, r.loaded.rev, wrapState(next))
		if errors.Is(err, ErrConflict) {
			if err := r.again(); err != nil {
				return Result{}, err
			}
			continue
		}
		if err != nil {
			return Result{}, err
		}
		result, err := all.run(ctx, r.orders, "target")
		return result.asMoved(r.report.actions), err
	}
}

// asMoved returns the result of the run that publishes the texts of a move,
// with the actions of the move instead of its own.
func (r Result) asMoved(actions []taken) Result {
	sending := func(a Action) bool { return a.Action == OpPublish || a.Action == OpConfirm }
	r.Actions, r.Unconfirmed = slices.DeleteFunc(r.Actions, sending), slices.DeleteFunc(r.Unconfirmed, sending)
	for _, a := range actions {
		open := slices.ContainsFunc(r.Secrets, func(s SecretStatus) bool {
			return s.Address == a.Address && s.State == StateUnsettled
		})
		if open || len(r.Secrets) == 0 {
			r.Unconfirmed = append(r.Unconfirmed, a.Action)
		} else {
			r.Actions = append(r.Actions, a.Action)
		}
	}
	return r
}

// unlocked is a ledger without its Locker.
type unlocked struct{ Ledger }

// withUndeclared adds a declaration for each secret of the ledger that has
// none.
func withUndeclared(spec secret.Spec, st *state) secret.Spec {
	spec.Secrets = slices.Clone(spec.Secrets)
	app := secret.NewApp(secret.AppOptions{
		Workspace: spec.Workspace, Project: spec.Project, Environment: spec.Environment})
	for _, rec := range st.Secrets {
		declared := slices.ContainsFunc(spec.Secrets,
			func(s secret.SpecSecret) bool { return s.Address == rec.Address })
		if !declared && !rec.empty() {
			app.Use(secret.Static(secret.Options{Namespace: rec.Address.Namespace, Name: rec.Address.Name,
				Binding: rec.Binding}))
		}
	}
	for _, s := range app.Spec().Secrets {
		if s.Kind = st.find(s.Address).Kind; s.Kind == secret.KindRandom {
			s.Bytes = 32 // the declared number is unknown, and no new value is made with it
		}
		if st.find(s.Address).Bare {
			s.Format = secret.FormatPlain
		}
		spec.Secrets = append(spec.Secrets, s)
	}
	return spec
}

// moved returns the state in which every secret has an intent for the new
// target. It changes nothing in either target.
func (r *run) moved(ctx context.Context, st *state, target string) (*state, error) {
	// A text that is not confirmed may still change in the old target, and its
	// lives may begin anew. So the move begins from confirmed texts only.
	names := []string{}
	for _, s := range r.targets() {
		rec := st.find(s.Address)
		if rec.empty() {
			continue
		}
		if rec.Intent != nil || rec.Published == nil {
			return nil, problemf(Unsettled, "%s: the present target has not confirmed it. Finish that first",
				s.Address).of(s.Address)
		}
		names = append(names, r.name(s))
	}
	found, err := r.Publisher.Inspect(ctx, names)
	if err != nil {
		return nil, err
	}
	var create []string
	for _, name := range names {
		p, there := found[name]
		if _, ours := st.ownNote(name, p.Note); there && !ours {
			return nil, problemf(Foreign, "the target %s holds a value under %s that is none of this ledger's: "+
				"it would be overwritten. "+
				"Nothing was changed: delete it there by hand, or name another target", target, name)
		} else if !there {
			create = append(create, name)
		}
	}
	if checker, ok := r.Publisher.(driver.Checker); ok && len(create) > 0 {
		if err := checker.Check(ctx, create); err != nil {
			return nil, problemf(Stopped, "%w", err)
		}
	}
	next := *st
	next.Config.Target, next.Place = target, ""
	old := former{Target: st.Config.Target, At: r.now().UTC()}
	var records []*record
	d := r.desk()
	for _, s := range r.targets() {
		rec := st.find(s.Address)
		if rec.empty() {
			continue
		}
		old.Values = append(old.Values,
			left{rec.Address, rec.Name, rec.Published.Gen, rec.Published.Note, rec.Published.Modified})
		old.Values = append(old.Values, st.left(rec)...)
		w := &work{desk: d, spec: s, name: r.name(s), old: rec, r: rec.clone()}
		w.r.capInstants(d.policy)
		// The new target has confirmed nothing, and no late request for the old one can
		// reach it.
		w.r.Name, w.r.Published, w.r.Sent, w.r.Left = r.name(s), nil, nil, nil
		// The new target may hold a value of an earlier move: go above its generation.
		if n, ours := st.ownNote(w.r.Name, found[w.r.Name].Note); ours {
			w.r.Gen = max(w.r.Gen, n.gen)
		}
		w.act(OpTarget, w.r.Current)
		w.publish(OpTarget, false, "")
		if w.out.problem != nil {
			return nil, w.out.problem
		}
		records = append(records, w.out.next)
		for _, a := range w.out.actions {
			r.report.actions = append(r.report.actions, taken{a, w.r.Gen})
		}
	}
	if f, ok := r.Publisher.(driver.Fitter); ok && len(records) > 0 {
		sizes := map[string]int{}
		for _, rec := range records {
			sizes[rec.Name] = len(rec.Intent.Text)
		}
		if err := f.Fits(ctx, sizes); err != nil {
			return nil, problemf(Stopped, "%w", err)
		}
	}
	next.Targets = slices.DeleteFunc(slices.Clone(st.Targets), func(f former) bool { return f.Target == target })
	next.Targets = append(next.Targets, old)
	moved := next.with(records...)
	moved.log(LogEntry{At: r.now(), By: r.By, Op: OpTarget, IDs: []string{target}})
	return moved, nil
}

// watchFormer inspects the former targets, and reports the values that are gone
// or changed. Programs may still read them.
func (r *run) watchFormer(ctx context.Context) error {
	st := r.loaded.state.state()
	for _, f := range st.Targets {
		publisher := r.Former[f.Target]
		if publisher == nil {
			continue
		}
		found, err := publisher.Inspect(ctx, leftNames(f.Values))
		if err != nil {
			return fmt.Errorf("the former target %s: %w", f.Target, err)
		}
		for _, v := range f.Values {
			switch p, there := found[v.Name]; {
			case !there:
				r.note(problemf(Refused, "%s is gone from the former target %s, where programs may still read it",
					v.Address, f.Target).of(v.Address))
			case p.Note != v.Note || p.Modified != v.Modified:
				if st.moreRecent(v, p.Note) {
					continue // the former target is the present one, under another name
				}
				r.note(problemf(Refused, "%s was changed in the former target %s by something else",
					v.Address, f.Target).of(v.Address))
			}
		}
	}
	return nil
}

func (r *run) note(err error) { r.report.notes = append(r.report.notes, err) }

// RemoveFormer deletes the values that were left in a former target, and then
// drops that target from the ledger. A value that something else has changed
// since stays there, and RemoveFormer returns a [Problem] of kind [Foreign]. If
// the former target is the present one under another name, it deletes nothing
// there.
func (o *Operator) RemoveFormer(ctx context.Context, target string) (err error) {
	unlock, err := o.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	r := newRun(o, nil, "target")
	for {
		if err := r.load(ctx); err != nil {
			return err
		}
		st := r.loaded.state.state()
		i := slices.IndexFunc(st.Targets, func(f former) bool { return f.Target == target })
		publisher := o.Former[target]
		if i < 0 || publisher == nil {
			return problemf(Refused, "%s is no former target of this ledger", target)
		}
		if err := removeLeft(ctx, publisher, st, st.Targets[i]); err != nil {
			return err
		}
		next := *st
		next.Targets = slices.Delete(slices.Clone(st.Targets), i, i+1)
		next.log(LogEntry{At: r.now(), By: r.By, Op: OpRemove, IDs: []string{target}})
		_, _, err = Commit(ctx, o.Ledger, r.loaded.rev, wrapState(&next))
		if errors.Is(err, ErrConflict) {
			if err := r.again(); err != nil {
				return err
			}
			continue
		}
		return err
	}
}

// removeLeft deletes the values that are unchanged since the move, and inspects
// the former target to verify that. It deletes none if one was changed by
// another writer.
func removeLeft(ctx context.Context, publisher driver.Publisher, st *state, f former) error {
	found, err := publisher.Inspect(ctx, leftNames(f.Values))
	if err != nil {
		return err
	}
	var remove []string
	for _, v := range f.Values {
		p, there := found[v.Name]
		switch {
		case !there:
		case st.moreRecent(v, p.Note): // this is the present target under another name
		case p.Note == v.Note && p.Modified == v.Modified:
			remove = append(remove, v.Name)
		default:
			return problemf(Foreign, "%s was changed in %s by something else: "+
				"it stays there, and nothing was removed. Delete it there by hand, then run this again",
				v.Address, f.Target).of(v.Address)
		}
	}
	if len(remove) == 0 {
		return nil
	}
	remover, ok := publisher.(driver.Remover)
	if !ok {
		return problemf(Refused, "%s cannot delete values: delete them there by hand, then run this again", f.Target)
	}
	if err := errors.Join(remover.Remove(ctx, remove)...); err != nil {
		return err
	}
	if found, err = publisher.Inspect(ctx, remove); err != nil {
		return err
	}
	if len(found) > 0 {
		return problemf(Unsettled, "%s still holds %d of the values: try again in a minute", f.Target, len(found))
	}
	return nil
}
