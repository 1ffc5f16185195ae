package rotate

import (
	"slices"

	"github.com/layeron-hq/secret"
)

// This file decides which notes under former keys count. A former key was
// replaced when a recipient was removed, and that recipient still has it. Notes
// that were signed under it before the removal remain the ledger's; a note
// signed under it afterwards does not count. Every note is in the ledger before
// it is published, so the removal records the latest note of each name.

// reach is the latest note of one name at the time when a key was replaced.
type reach struct {
	Gen uint64 `json:"gen"` // the highest generation
	ID  int    `json:"id"`  // the highest number of an id
}

// extent is the reach of a key, by name in the target.
type extent map[string]reach

// reached returns the present reach of every name with a note. That includes
// the names of removed secrets and of values in former targets, since a late
// request may bring their notes back.
func (s *state) reached() extent {
	list, highest := extent{}, map[secret.Address]int{}
	add := func(name string, gen uint64, id int) {
		if gen > 0 {
			list[name] = reach{max(list[name].Gen, gen), max(list[name].ID, id)}
		}
	}
	for _, r := range s.Secrets {
		if r != nil { // nil only in a damaged ledger, which Unseal refuses
			add(r.Name, r.Gen, r.Highest)
			highest[r.Address] = r.Highest
			for _, l := range r.Left {
				add(l.Name, l.Gen, r.Highest)
			}
		}
	}
	for _, f := range s.Targets {
		for _, v := range f.Values {
			add(v.Name, v.Gen, highest[v.Address])
		}
	}
	return list
}

// reaches returns the reach of every former key. A ledger of format 1 or 2
// records none: there it is the present reach.
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

// signer sets n.ours and n.former by the key that signed a note. A note under a
// former key is ours only within that key's reach.
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

// moreRecent reports whether text, the note found at a value in a former
// target, is a later note of this ledger. Then that target is the present one
// under another name. A note under a former key proves that only if the ledger
// records it now.
func (s *state) moreRecent(v left, text string) bool {
	n, ours := s.ownNote(v.Name, text)
	return ours && n.gen > v.Gen && (!n.former || slices.ContainsFunc(s.Secrets, func(r *record) bool {
		return r.Name == v.Name &&
			(r.Published != nil && r.Published.Note == text || r.Intent != nil && r.Intent.Note == text)
	}))
}
