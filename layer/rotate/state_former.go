package rotate

import (
	"slices"

	"github.com/layeron-hq/secret"
)

// A former key was replaced when a recipient was removed, who still has it. The notes
// that were signed under it before stay the ledger's, and a note that is signed under
// it afterwards does not count. The ledger holds every note before it is published,
// so the removal records how far the notes under each name have come.

// reach is how far the notes of one name had come when a key was replaced.
type reach struct {
	Gen uint64 `json:"gen"` // the highest generation
	ID  int    `json:"id"`  // the highest number of an id
}

// extent is the reach of a key, by name in the target.
type extent map[string]reach

// reached returns how far the notes have come now. The names of removed secrets and
// of values in former targets are among them, since a late request may bring their
// notes back. A name without a note is not.
func (s *state) reached() extent {
	list, highest := extent{}, map[secret.Address]int{}
	add := func(name string, gen uint64, id int) {
		if gen > 0 {
			list[name] = reach{max(list[name].Gen, gen), max(list[name].ID, id)}
		}
	}
	for _, r := range s.Secrets {
		if r != nil { // of a damaged ledger, which Unseal refuses
			add(r.Name, r.Gen, r.Highest)
			highest[r.Address] = r.Highest
		}
	}
	for _, f := range s.Targets {
		for _, v := range f.Values {
			add(v.Name, v.Gen, highest[v.Address])
		}
	}
	return list
}

// reaches returns the reach of every former key. A ledger of format 2 or 1 has none:
// its former keys reach as far as its notes have come now.
func (s *state) reaches() []extent {
	list := slices.Clone(s.Reach[:min(len(s.Reach), len(s.Former))])
	if len(list) < len(s.Former) {
		now := s.reached()
		for len(list) < len(s.Former) {
			list = append(list, now)
		}
	}
	return list
}

// signer finds the key that has signed a note, and whether it may have.
func (s *state) signer(n *note, name, front, sign string) {
	if signs(s.ByKey, name, front, sign) {
		n.ours = true
		return
	}
	for i, key := range s.Former {
		if signs(key, name, front, sign) {
			most := s.reaches()[i][name]
			n.former, n.ours = true, n.gen <= most.Gen && number(n.cur) <= most.ID
			return
		}
	}
}

// moreRecent reports whether a note that was found in place of a value that was left
// in a former target is a later one of this ledger: then that target is the present
// one, under another name. Under a former key only the notes that the ledger holds
// now prove that.
func (s *state) moreRecent(v left, text string) bool {
	n, ours := s.ownNote(v.Name, text)
	return ours && n.gen > v.Gen && (!n.former || slices.ContainsFunc(s.Secrets, func(r *record) bool {
		return r.Name == v.Name && (r.Published != nil && r.Published.Note == text || r.Intent != nil && r.Intent.Note == text)
	}))
}
