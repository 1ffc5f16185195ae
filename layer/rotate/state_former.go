package rotate

import (
	"slices"

	"github.com/layeron-hq/secret"
)

// This file decides which notes under former keys count. A former key was
// replaced when a recipient was removed, and that recipient still has it. Notes
// that were signed under it before the removal remain the ledger's; a note
// signed under it afterwards does not count. Every note is in the ledger before
// it is published, so the removal records the latest note of each name. A name
// leaves the reach of a key when no note under that key can be in the target any
// more.

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

// reachedNow returns the reach of the present key: that of every name, except
// the names without a note since an earlier key was replaced. Those notes are in
// that key's reach.
func (s *state) reachedNow() extent {
	list, signed := s.reached(), map[string]bool{}
	add := func(name, note string) {
		signed[name] = signed[name] || s.signerOf(name, note) == len(s.Former)
	}
	for _, r := range s.Secrets {
		if r == nil {
			continue
		}
		if r.Intent != nil {
			add(r.Name, r.Intent.Note)
		}
		if r.Published != nil {
			add(r.Name, r.Published.Note)
		}
	}
	for _, before := range s.reaches() {
		for name, most := range before {
			if most.Gen == list[name].Gen && !signed[name] {
				delete(list, name)
			}
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

// released returns the state without the reaches that no note needs any more. A
// former key keeps the reach of a name in two cases:
//
//   - The key signed the last note of the name: the one of the intent, the
//     published one, or the one of a value that a rename or a move left behind. It
//     may be in the target at any time, and an intent may be sent again.
//   - A late request with a note under the key may still arrive. Every such
//     request was sent before a text of the name was confirmed under a later key,
//     or, if the name has no text now, before the key was replaced. So it can
//     arrive until a margin after that, and until Stray. That a margin has passed
//     since a key was replaced is known from any text under a later key.
//
// A note without a reach counts as no note, so nothing overwrites its value. A
// key without a reach stays for Succeeds, the last keepFormer ones.
func (s *state) released(p policy) *state {
	if len(s.Former) == 0 {
		return s
	}
	next, needed := *s, s.neededReach(p)
	next.Former, next.Reach = nil, nil
	for i, all := range s.reaches() {
		kept := extent{}
		for name, most := range all {
			if needed(i, name) {
				kept[name] = most
			}
		}
		if len(kept) == 0 && i < len(s.Former)-keepFormer {
			continue
		}
		next.Former, next.Reach = append(next.Former, s.Former[i]), append(next.Reach, kept)
	}
	return &next
}

// neededReach returns a function that reports whether the former key of that
// index needs the reach of a name.
func (s *state) neededReach(p policy) func(key int, name string) bool {
	last, quiet := len(s.Former), 0 // keys before quiet were replaced a margin ago
	for _, r := range s.Secrets {
		if key := s.confirmedUnder(r, p); key >= 0 {
			quiet = max(quiet, key)
		}
	}
	uses := map[string][]keyUse{}
	for _, f := range s.Targets {
		for _, l := range f.Values {
			uses[l.Name] = append(uses[l.Name], s.useOfLeft(l, quiet))
		}
	}
	for _, r := range s.Secrets {
		for _, l := range r.Left {
			uses[l.Name] = append(uses[l.Name], s.useOfLeft(l, quiet))
		}
		uses[r.Name] = append(uses[r.Name], s.useOf(r, quiet, p))
	}
	return func(key int, name string) bool {
		list := uses[name]
		if len(list) == 0 { // no value has the name any more
			list = []keyUse{{late: quiet, last: last}}
		}
		return slices.ContainsFunc(list, func(u keyUse) bool {
			return slices.Contains(u.signed, key) || u.late <= key && key <= u.last
		})
	}
}

// keyUse are the keys whose notes may be in the target under one name.
type keyUse struct {
	signed []int // the last notes
	late   int   // requests under keys before it have all arrived
	last   int   // no note was made under later keys
}

// useOf returns the keys of a record's notes.
func (s *state) useOf(r *record, quiet int, p policy) keyUse {
	u := keyUse{late: quiet, last: len(s.Former)}
	if r.Published != nil {
		u.signed = append(u.signed, s.signerOf(r.Name, r.Published.Note))
		u.late = max(0, s.confirmedUnder(r, p))
	} else if p.now.Before(r.Stray) {
		u.late = 0
	}
	if r.Intent != nil {
		u.signed = append(u.signed, s.signerOf(r.Name, r.Intent.Note))
	}
	if len(u.signed) > 0 {
		u.last = slices.Max(u.signed)
	}
	return u
}

// useOfLeft returns the keys of the notes at a value that a rename or a move left
// behind. If an intent was pending then, its note is not recorded.
func (s *state) useOfLeft(l left, quiet int) keyUse {
	key, n := s.signerOf(l.Name, l.Note), note{}
	if key >= 0 {
		n, _ = s.readNote(l.Name, l.Note)
	}
	if n.gen != l.Gen {
		return keyUse{late: min(quiet, max(0, key)), last: len(s.Former)}
	}
	return keyUse{signed: []int{key}, late: quiet, last: key}
}

// confirmedUnder returns the index of the key under which the present text of a
// record was confirmed, if no earlier request can arrive any more, and else -1.
func (s *state) confirmedUnder(r *record, p policy) int {
	if r.Published == nil || p.now.Before(later(r.Published.At.Add(p.margin), r.Stray)) {
		return -1
	}
	return s.signerOf(r.Name, r.Published.Note)
}

// signerOf returns the index in Former of the key that signed a note. It is
// len(Former) for the present key, and -1 if none signed it.
func (s *state) signerOf(name, text string) int {
	m := noteForm().FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	if signs(s.ByKey, name, m[1], m[4]) {
		return len(s.Former)
	}
	return slices.IndexFunc(s.Former, func(key []byte) bool { return signs(key, name, m[1], m[4]) })
}
