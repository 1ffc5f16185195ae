package rotate

import (
	"context"
	"maps"
	"slices"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file compares the notes in the target with the ledger, to detect an old
// or a forged copy of the ledger. Only signed notes count, and only a note that
// the state records byte for byte shows that the state is genuine.

// CompareNotes inspects the notes of these secrets in the target. It returns a
// [Problem] of kind [Ahead] if this ledger signed a note there with a later
// generation than s records: s is then an old copy. It ignores every other
// note. If a note shows that s is genuine, a ledger that is a [Confirmer]
// remembers s. bare lists the secrets that s records as published and whose
// values in the target have no note of this ledger. For these the target cannot
// show whether s is old. CompareNotes changes nothing else, and needs neither
// Spec nor the lock.
func (o *Operator) CompareNotes(ctx context.Context, s State, of []secret.SpecSecret) (bare []secret.Address,
	err error) {
	names := map[secret.Address]string{}
	var ask []string
	for _, spec := range of {
		names[spec.Address] = s.state().nameOf(spec.Address, o.name(spec))
		ask = append(ask, names[spec.Address])
	}
	if len(ask) == 0 {
		return nil, nil
	}
	found, err := o.Publisher.Inspect(ctx, ask)
	if err != nil {
		return nil, err
	}
	confirmed, ahead := s.state().compareNotes(names, found)
	if ahead != nil {
		return nil, problemf(Ahead, "%s: the value in the target is of a later generation than the ledger's. "+
			"This ledger is an old copy: get the newest copy", *ahead).of(*ahead)
	}
	if confirmed {
		o.confirmed(ctx, s)
	}
	for _, spec := range of {
		rec := s.state().find(spec.Address)
		name := names[spec.Address]
		if _, ours := s.state().ownNote(name, found[name].Note); !ours && !rec.empty() && rec.Published != nil {
			bare = append(bare, spec.Address)
		}
	}
	return bare, nil
}

// confirmed calls Confirmed of a ledger that is a Confirmer.
func (o *Operator) confirmed(ctx context.Context, s State) {
	if l, ok := o.Ledger.(Confirmer); ok {
		l.Confirmed(ctx, s)
	}
}

// nameOf returns the name of a secret's value in the target: the recorded name,
// or the declared one if the ledger holds no value.
func (s *state) nameOf(addr secret.Address, declared string) string {
	if rec := s.find(addr); !rec.empty() {
		return rec.Name
	}
	return declared
}

// compareNotes compares the notes in the target with the records. confirmed
// reports that at least one signed note is the recorded one, byte for byte, and
// that no signed note contradicts its record. ahead is a secret whose signed
// note is of a later generation than its record, or nil.
func (s *state) compareNotes(names map[secret.Address]string, found map[string]driver.Published) (
	confirmed bool, ahead *secret.Address,
) {
	contradicted := false
	for _, addr := range slices.SortedFunc(maps.Keys(names), compareAddress) {
		text := found[names[addr]].Note
		n, ours := s.ownNote(names[addr], text)
		if !ours {
			continue
		}
		rec, gen := s.find(addr), uint64(0)
		if rec != nil {
			gen = rec.Gen
		}
		switch {
		case n.gen > gen && !n.former:
			return false, &addr
		case rec.recorded(text):
			confirmed = true
		case n.gen == gen:
			contradicted = true // a second ledger
		}
	}
	return confirmed && !contradicted, nil
}

// recorded reports whether the record contains this note.
func (r *record) recorded(note string) bool {
	return r != nil && (r.Intent != nil && r.Intent.Note == note || r.Published != nil && r.Published.Note == note)
}
