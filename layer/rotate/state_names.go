package rotate

import (
	"context"
	"errors"
	"slices"

	"github.com/layeron-hq/secret"
)

// This file keeps the names under which values were published. A declaration
// may get another name in the target, such as another Options.Binding in a
// folder. A rename then publishes the value under the new name. The old value
// stays in the target, for programs that still read it there, and the record
// keeps its name until an operator removes it. So no value is forgotten in a
// target.

// Names returns the names in the target of all values of the ledger, declared
// or not, with former names, in order.
func (s State) Names() []string {
	var names []string
	for _, r := range s.state().Secrets {
		if !r.empty() {
			names = append(names, r.Name)
		}
		names = append(names, s.state().formerNames(r)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Binding returns the binding name of a secret: the one that it was declared
// with at its last change, else the one that follows from its address.
func (s State) Binding(addr secret.Address) string {
	if r := s.state().find(addr); r != nil && r.Binding != "" {
		return r.Binding
	}
	return addr.Binding()
}

// FormerNames returns the names under which renames left the value of a secret
// in the target.
func (s State) FormerNames(addr secret.Address) []string {
	return s.state().formerNames(s.state().find(addr))
}

// formerNames returns the names under which the target may still hold the value
// of a secret. A name that has another value by now is not one.
func (s *state) formerNames(r *record) []string { return leftNames(s.left(r)) }

// left returns the values under formerNames.
func (s *state) left(r *record) (list []left) {
	if r == nil {
		return nil
	}
	for _, l := range r.Left {
		if !slices.ContainsFunc(s.Secrets, func(r *record) bool { return !r.empty() && r.Name == l.Name }) {
			list = append(list, l)
		}
	}
	return list
}

func leftNames(list []left) (names []string) {
	for _, l := range list {
		names = append(names, l.Name)
	}
	return names
}

// leave records that the value under the present name stays in the target. The
// caller then gives the record another name.
func (r *record) leave() {
	l := left{Address: r.Address, Name: r.Name, Gen: r.Gen}
	if p := r.Published; p != nil {
		l.Note, l.Modified = p.Note, p.Modified
	}
	r.Left = append(r.without(r.Name), l)
}

// without returns Left without a name.
func (r *record) without(name string) []left {
	return slices.DeleteFunc(slices.Clone(r.Left), func(l left) bool { return l.Name == name })
}

// edited reports whether the value under a former name was changed by another
// writer since. It is false for another name.
func (r *record) edited(name string, found sighting) bool {
	return slices.ContainsFunc(r.Left, func(l left) bool {
		return l.Name == name && l.Modified != "" && found.exists && found.Modified != l.Modified
	})
}

// renamed returns an empty record for the name that a rename of r gives to its
// value. It has r's generation, so that the note of an earlier text of r under
// that name is known.
func (r *record) renamed(name string) *record {
	return &record{Address: r.Address, Kind: r.Kind, Name: name, Gen: r.Gen, Highest: r.Highest, Removed: true}
}

// leftBy returns the secret of whose value a rename left a copy in the target
// under that name.
func (s *state) leftBy(name string) (secret.Address, bool) {
	for _, r := range s.Secrets {
		if slices.ContainsFunc(r.Left, func(l left) bool { return l.Name == name }) {
			return r.Address, true
		}
	}
	return secret.Address{}, false
}

// RemoveFormerNames deletes the values of a secret that renames left in the
// target under former names. Its present value stays. A value that something
// else has changed since stays too, and RemoveFormerNames returns a [Problem] of
// kind [Foreign].
func (o *Operator) RemoveFormerNames(ctx context.Context, addr secret.Address) (err error) {
	unlock, err := o.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	r := newRun(o, nil, "remove")
	for {
		if err := r.load(ctx); err != nil {
			return err
		}
		st := r.loaded.state.state()
		rec := st.find(addr)
		if rec == nil || len(rec.Left) == 0 || o.DryRun {
			return nil
		}
		names, err := r.removable(ctx, st, rec)
		if err != nil {
			return err
		}
		if err := r.deleteValues(ctx, addr, names); err != nil {
			return err
		}
		next := rec.clone()
		next.Left = nil
		swapped := st.with(next)
		if former := st.formerNames(rec); len(former) > 0 { // the entry has them: the secret itself stays
			swapped.log(LogEntry{At: r.now(), By: r.By, Op: OpRemove, Address: addr.String(), IDs: former})
		}
		_, _, err = Commit(ctx, o.Ledger, r.loaded.rev, wrapState(swapped))
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := r.again(); err != nil {
			return err
		}
	}
}

// removable returns the former names under which the target holds a value of
// this ledger. It returns a Problem if one has a value of another writer, so
// that the caller deletes none.
func (r *run) removable(ctx context.Context, st *state, rec *record) (names []string, err error) {
	values := st.left(rec)
	if len(values) == 0 {
		return nil, nil
	}
	found, err := r.Publisher.Inspect(ctx, leftNames(values))
	if err != nil {
		return nil, err
	}
	for _, l := range values {
		p, there := found[l.Name]
		if !there {
			continue
		}
		// A note of ours that is not the recorded one came with a late request.
		_, ours := st.ownNote(l.Name, p.Note)
		if !ours || p.Note == l.Note && p.Modified != l.Modified {
			return nil, problemf(Foreign, "the target holds a value under %s, a former name, that is none of this ledger's: "+
				"it stays there, and nothing was removed. Delete it there by hand, then remove again", l.Name).of(rec.Address)
		}
		names = append(names, l.Name)
	}
	return names, nil
}
