package rotate

import (
	"context"
	"slices"
	"strconv"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file shows an adoption before it happens. To adopt is the only way to
// overwrite a value that the ledger did not publish, so the operator has to see
// which versions would come back and which would vanish.

// Adoption is the change that RotateOptions.Adopt would publish over the value
// of one secret.
type Adoption struct {
	Address secret.Address
	// Found is the id of the current version of the value in the target, by its
	// note. Empty: this ledger did not publish the value.
	Found string
	// Current is the id of the version that would be current. Versions are the ids
	// of all versions that would be published.
	Current  string
	Versions []string
	// Back are the versions that would come back: they are no longer in the value
	// in the target, perhaps because they were revoked. Vanish are the versions in
	// the target that would no longer be there.
	Back, Vanish []string
	// Known reports that the target can be read. Otherwise Back is empty, and
	// Vanish is derived from the note.
	Known bool
}

// preview records the Adoption of each secret that would be overwritten.
func (r *run) preview(ctx context.Context, st *state) error {
	for _, s := range r.targets() {
		dec := r.pass.decisions[s.Address]
		if !dec.adopts || dec.next == nil {
			continue
		}
		a := Adoption{Address: s.Address, Current: dec.next.Current}
		for _, v := range dec.next.Versions {
			if v.Gone == "" && (!dec.next.Bare || v.ID == a.Current) {
				a.Versions = append(a.Versions, v.ID)
			}
		}
		n, ours := st.ownNote(dec.next.Name, r.target.found[dec.next.Name].Note)
		if ours {
			a.Found = n.cur
		}
		if lister, ok := r.Publisher.(driver.Lister); ok {
			there, err := lister.Versions(ctx, dec.next.Name)
			if err != nil {
				return err
			}
			a.Known = true
			a.Back, a.Vanish = without(a.Versions, there), without(there, a.Versions)
			if dec.next.Bare { // readers see it as v1, under whatever id the ledger has it
				a.Back, a.Vanish = nil, without(there, []string{bareID})
			}
		} else if a.Found != "" {
			last := number(n.cur) // and at most the hundred ids before it
			for id := max(st.find(s.Address).Highest+1, last-100); id <= last; id++ {
				a.Vanish = append(a.Vanish, "v"+strconv.Itoa(id))
			}
		}
		r.report.adoptions = append(r.report.adoptions, a)
	}
	return nil
}

// without returns the ids that are not in others.
func without(ids, others []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(others, id) })
}
