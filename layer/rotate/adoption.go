package rotate

import (
	"context"
	"slices"
	"strconv"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// Adoption is the change that RotateOptions.Adopt would publish over the value of one secret.
type Adoption struct {
	Address secret.Address
	// Found is the current version of the value that is there, by its note. Empty:
	// the value is none of this ledger's.
	Found string
	// Current is the id of the version that would be current, Versions are all that
	// would be published.
	Current  string
	Versions []string
	// Back are versions that would come back: they have left the value that is there,
	// some perhaps because they were revoked. Vanish are versions that are there, and
	// would be gone.
	Back, Vanish []string
	// Known reports that the target can be read. Otherwise Back is empty, and Vanish
	// is the note's.
	Known bool
}

// preview finds out which versions would be published over the values that are there.
func (r *run) preview(ctx context.Context, st *state) error {
	for _, s := range r.targets() {
		dec := r.pass.decisions[s.Address]
		if !dec.adopts || dec.next == nil {
			continue
		}
		a := Adoption{Address: s.Address, Current: dec.next.Current}
		for _, v := range dec.next.Versions {
			if v.Gone == "" {
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
		} else if a.Found != "" {
			last := number(n.cur) // with the hundred ids before it, of up to a billion
			for id := max(st.find(s.Address).Highest+1, last-100); id <= last; id++ {
				a.Vanish = append(a.Vanish, "v"+strconv.Itoa(id))
			}
		}
		r.report.adoptions = append(r.report.adoptions, a)
	}
	return nil
}

// without returns the ids that are not among others.
func without(ids, others []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(others, id) })
}
