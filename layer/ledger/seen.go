package ledger

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/layeron-hq/secret/layer/internal/atomicfile"
	"github.com/layeron-hq/secret/layer/rotate"
)

// seen is the content of layer.seen: which ledger was in which place, and the
// latest known generation of each ledger. age does not authenticate the writer of
// a file, so without this memory an old copy or a forged ledger would be accepted.
type seen struct {
	Version int                   `json:"format"`            // 1
	Places  map[string]string     `json:"places,omitempty"`  // file -> origin
	Ledgers map[string]seenLedger `json:"ledgers,omitempty"` // origin -> the latest
	Marks   map[string][]string   `json:"marks,omitempty"`   // origin -> see mark
	Used    []string              `json:"used,omitempty"`    // places, the last used one last: see forget
}

type seenLedger struct {
	// ID is rotate.State.ID, the id that errors and identity files show.
	ID          string `json:"id,omitempty"`
	Generation  uint64 `json:"generation"`
	Fingerprint string `json:"fingerprint"`
	// Write is the id of the write that made this generation. Two clones of a ledger
	// reach the same generation by different writes.
	Write string `json:"write,omitempty"`
}

const maxSeen = 1 << 20 // bytes of layer.seen

// readSeen reads layer.seen. If the file does not exist, this is a fresh machine
// and the result is empty.
func readSeen(path string) (seen, error) {
	data, err := atomicfile.Read(path, maxSeen)
	if errors.Is(err, fs.ErrNotExist) {
		return seen{}, nil
	}
	if info, e := os.Stat(path); err != nil && e == nil && info.Mode().IsRegular() && info.Size() > maxSeen {
		return seen{}, fmt.Errorf("%s, the memory of ledgers seen, has more than %d bytes. %s", path, maxSeen, makeAnew)
	}
	if err != nil {
		return seen{}, fmt.Errorf("%s: %w", path, err)
	}
	return parseSeen(path, data)
}

var errSeenDamaged = errors.New("it is damaged")

const makeAnew = "Make sure that the ledger is that of the latest commit (`git log`) or backup, then delete this file: " +
	"layer makes it again"

func parseSeen(path string, data []byte) (seen, error) {
	var s seen
	if json.Unmarshal(data, &s) != nil || s.Version < 1 {
		return seen{}, fmt.Errorf("%s, the memory of ledgers seen: %w. %s", path, errSeenDamaged, makeAnew)
	}
	if s.Version > 1 {
		return seen{}, fmt.Errorf("%s was written by a newer version of layer (format %d): update layer", path,
			s.Version)
	}
	return s, nil
}

func (s seen) encode() []byte {
	s.Version = 1
	b, _ := json.MarshalIndent(s, "", "  ") // strings and numbers alone: cannot fail
	return append(b, '\n')
}

// wrong returns the problem of a ledger that contradicts the memory.
func wrong(format string, args ...any) error {
	return &rotate.Problem{Kind: rotate.WrongLedger, Err: fmt.Errorf(format, args...)}
}

// untrusted returns the problem of a ledger that may be forged.
func untrusted(format string, args ...any) error {
	return &rotate.Problem{Kind: rotate.Untrusted, Err: fmt.Errorf(format, args...)}
}

// accept returns an error if the state contradicts the memory or the ids in m.
// known is false if neither of the two shows that the ledger is genuine: the
// operator must decide.
func (s seen) accept(m memory, st rotate.State) (known bool, err error) {
	last, ok := s.Ledgers[st.Origin()]
	same := ok && st.Succeeds(last.Fingerprint)
	accepted := s.accepted(m, st)
	switch {
	case m.pin == "":
	case m.pin != st.ID():
		return false, untrusted("its id is %s, and %s is required. It is another ledger or a forged one, or its id "+
			"was renewed when a recipient was "+
			"removed", st.ID(), m.pin)
	case same && !m.adopt:
		return true, s.checkProgress(last, st)
	default:
		return true, nil
	}
	if !m.adopt {
		if err := s.check(m.place, st); err != nil {
			return false, err
		}
	}
	switch {
	case accepted, slices.Contains(m.ids, st.ID()):
		return true, nil
	case len(m.ids) > 0:
		return false, untrusted("its id is %s, which the identity does not name. It is another ledger or a forged "+
			"one, or its id was renewed when a "+
			"recipient was removed", st.ID())
	}
	return false, nil
}

// check returns an error if the state that was found in a place contradicts the
// memory.
func (s seen) check(place string, st rotate.State) error {
	if err := s.checkPlace(place, st); err != nil {
		return err
	}
	last, known := s.Ledgers[st.Origin()]
	switch {
	case !known:
		return nil
	case !st.Succeeds(last.Fingerprint):
		return wrong("it continues the ledger seen here before, but has other keys: it is forged, or its keys were " +
			"replaced on another machine. Ask your colleagues, or restore the ledger from git")
	}
	return s.checkProgress(last, st)
}

// checkProgress returns an error if a state is older than the last one seen of the
// same ledger, or does not descend from it.
func (s seen) checkProgress(last seenLedger, st rotate.State) error {
	switch {
	case s.left(st):
		return nil
	case st.Generation() < last.Generation:
		return wrong("it is an older copy: generation %d, and generation %d was seen on this machine. Get the "+
			"latest one "+
			"(`git pull`, or a backup)", st.Generation(), last.Generation)
	case last.Write != "" && st.Covers(last.Generation-1) && !st.Wrote(last.Write):
		return wrong("it was changed in two clones: its generation %d lacks a change made or seen on this machine. "+
			"Keep the clone from which `layer` published last (`git log` shows when each copy of the ledger was "+
			"committed), and repeat the other clone's changes in it", st.Generation())
	}
	return nil
}

// left reports whether a state is the marker in a place that the ledger was moved
// away from. The ledger continues in another place; the marker only names that
// place.
func (s seen) left(st rotate.State) bool {
	return st.Moved() != "" && st.Generation() < s.Ledgers[st.Origin()].Generation
}

func (s seen) checkPlace(place string, st rotate.State) error {
	if origin, ok := s.Places[place]; ok && origin != st.Origin() {
		return wrong("it is another ledger: %s, and %s was seen in this place. Restore that one from git or a backup",
			st.ID(), s.id(origin))
	}
	return nil
}

// id returns the id of a ledger as errors show it.
func (s seen) id(origin string) string { return cmp.Or(s.Ledgers[origin].ID, origin) }

// with returns the memory after a state was found or written in a place.
func (s seen) with(m memory, st rotate.State) seen {
	next := seen{Places: maps.Clone(s.Places), Ledgers: maps.Clone(s.Ledgers), Marks: maps.Clone(s.Marks)}
	if next.Places == nil {
		next.Places = map[string]string{}
	}
	if next.Ledgers == nil {
		next.Ledgers = map[string]seenLedger{}
	}
	next.Places[m.place] = st.Origin()
	next.Ledgers[st.Origin()] = seenOf(st)
	if marks := s.marked(m.keys, st); len(marks) > 0 {
		if next.Marks == nil {
			next.Marks = map[string][]string{}
		}
		next.Marks[st.Origin()] = marks
	}
	next.Used = append(slices.DeleteFunc(slices.Clone(s.Used), func(place string) bool { return place == m.place }), m.place)
	next.forget(m.place)
	return next
}

// knows reports whether the memory already contains the state in that place.
func (s seen) knows(m memory, st rotate.State) bool {
	return s.Places[m.place] == st.Origin() && s.Ledgers[st.Origin()] == seenOf(st) &&
		(s.accepted(m, st) || m.unmarked())
}

func seenOf(st rotate.State) seenLedger {
	return seenLedger{ID: st.ID(), Generation: st.Generation(), Fingerprint: st.Fingerprint(), Write: st.WriteID()}
}

// memory is the use of layer.seen for one ledger. See [RememberOptions].
type memory struct {
	seenPath, place string
	adopt           bool // the operator confirmed that the ledger is the right one
	peek            bool // a ledger that adopt accepts is not remembered
	pin             string
	ids             []string
	keys            [][]byte // of marks
	believed        bool     // there are no identities: the memory needs no mark
}

// unmarked reports whether the identities can make no mark.
func (m memory) unmarked() bool { return !m.believed && len(m.keys) == 0 }

func (m memory) known() (seen, error) {
	known, err := readSeen(m.seenPath)
	if m.adopt && errors.Is(err, errSeenDamaged) {
		return seen{}, nil
	}
	return known, err
}

// gone returns the error for a place whose ledger is missing.
func (m memory) gone(known seen) error {
	return fmt.Errorf("%w: ledger %s was here before: restore it from git or a backup. To begin anew without it, "+
		"delete %s first",
		rotate.ErrNotFound, known.id(known.Places[m.place]), m.seenPath)
}

// follows returns an error for a state that Load would refuse after it was stored.
func (m memory) follows(known seen, next rotate.State) error {
	if m.adopt {
		return nil
	}
	if m.pin == "" {
		if err := known.checkPlace(m.place, next); err != nil {
			return err
		}
	}
	if last := known.Ledgers[next.Origin()]; next.Generation() <= last.Generation {
		return wrong("this change was made from an older copy of the ledger: generation %d was seen on this machine. "+
			"Run again", last.Generation)
	}
	return nil
}
