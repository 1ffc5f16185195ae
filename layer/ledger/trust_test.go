package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/rotate"
)

// keys returns new identities.
func keys(t *testing.T) (ids Identities, recipient string) {
	t.Helper()
	key, recipient, err := NewIdentity()
	require.NoError(t, err)
	ids, err = ParseIdentities(key.Reveal())
	require.NoError(t, err)
	return ids, recipient
}

func answering(yes bool) func(context.Context, rotate.State) (bool, error) {
	return func(context.Context, rotate.State) (bool, error) { return yes, nil }
}

// TestUnseenLedgerNeedsItsID: a machine without a memory accepts a ledger only by
// its id, or if the operator confirms it.
func TestUnseenLedgerNeedsItsID(t *testing.T) {
	genuine := stamped(rotate.NewState(rotate.Settings{}), 5)
	other := stamped(rotate.NewState(rotate.Settings{}), 5)
	// The public key of a recipient is enough to copy every visible property of the
	// ledger.
	forgery := stamped(forged(rotate.NewState(rotate.Settings{}), genuine.Origin()), 9)
	for name, tc := range map[string]struct {
		found  rotate.State
		how    func(*RememberOptions)
		refuse string
	}{
		"nothing is known": {genuine, func(*RememberOptions) {}, "was not given its id"},
		"pinned":           {genuine, func(o *RememberOptions) { o.ID = genuine.ID() }, ""},
		"pinned to another": {genuine, func(o *RememberOptions) { o.ID = other.ID() }, "and " +
			other.ID() + " is required"},
		"pinned, forged": {forgery, func(o *RememberOptions) { o.ID = genuine.ID() }, "and " +
			genuine.ID() + " is required"},
		"the pin beats the identity": {genuine, func(o *RememberOptions) {
			o.ID, o.IDs = other.ID(),
				[]string{genuine.ID()}
		}, "is required"},
		"in the identity": {genuine, func(o *RememberOptions) {
			o.IDs = []string{other.ID(),
				genuine.ID()}
		}, ""},
		"not in the identity": {forgery, func(o *RememberOptions) { o.IDs = []string{genuine.ID()} },
			"the identity does not name"},
		"not in the identity, and nobody is asked": {forgery, func(o *RememberOptions) {
			o.IDs,
				o.Ask = []string{genuine.ID()}, answering(true)
		},
			"the identity does not name"},
		"a person says yes": {genuine, func(o *RememberOptions) { o.Ask = answering(true) }, ""},
		"a person says no": {genuine, func(o *RememberOptions) { o.Ask = answering(false) },
			"was not given its id"},
		"adopted": {forgery, func(o *RememberOptions) { o.Adopt = true },
			"was not given its id"},
		"adopted, pinned to another": {forgery, func(o *RememberOptions) {
			o.Adopt, o.ID = true,
				genuine.ID()
		}, "is required"},
		"adopted, another one than told": {forgery, func(o *RememberOptions) {
			o.Adopt, o.IDs = true,
				[]string{genuine.ID()}
		}, "does not name"},
		"adopted, the one that was told": {genuine, func(o *RememberOptions) {
			o.Adopt, o.IDs = true,
				[]string{genuine.ID()}
		}, ""},
		"moved away": {genuine.MovedTo("s3://b"), func(*RememberOptions) {},
			"was not given its id"},
		"renewed, with the id of before": {genuine.Rekeyed(),
			func(o *RememberOptions) { o.IDs = []string{genuine.ID()} }, "when a recipient was removed"},
		"renewed, pinned to the id before": {genuine.Rekeyed(), func(o *RememberOptions) { o.ID = genuine.ID() },
			"when a recipient was removed"},
		"before the renewal, with the later": {genuine,
			func(o *RememberOptions) { o.IDs = []string{genuine.Rekeyed().ID()} }, "does not name"},
	} {
		t.Run(name, func(t *testing.T) {
			m, inner := newMachine(t), new(rotate.MemoryLedger)
			put(inner, tc.found)
			s, _, err := m.remember(inner, "b", tc.how).Load(t.Context())
			if tc.refuse == "" {
				require.NoError(t, err)
				require.True(t, s.Equal(tc.found))
				return
			}
			require.ErrorContains(t, err, "ledger b: ")
			require.ErrorContains(t, err, tc.refuse)
			require.ErrorIs(t, err, rotate.Untrusted)
			require.True(t, s.Equal(rotate.State{}), "no part of the state is returned")
			require.Empty(t, m.text(), "a refused ledger is not remembered")
		})
	}
}

// TestRefusedLedgerIsNotRemembered: a forged ledger that was loaded first does not
// exclude the genuine one.
func TestRefusedLedgerIsNotRemembered(t *testing.T) {
	m, inner := newMachine(t), new(rotate.MemoryLedger)
	put(inner, stamped(rotate.NewState(rotate.Settings{}), 9))
	for _, how := range []func(*RememberOptions){func(*RememberOptions) {},
		func(o *RememberOptions) { o.Ask = answering(false) },
		func(o *RememberOptions) { o.Ask, o.Adopt, o.Peek = answering(true), true, true }} {
		_, _, _ = m.remember(inner, "b", how).Load(t.Context())
		require.Empty(t, m.text())
	}
	*inner = rotate.MemoryLedger{}
	genuine := stamped(rotate.NewState(rotate.Settings{}), 2)
	put(inner, genuine)
	require.True(t, confirmed(t, m.remember(inner, "b", named(inner))).Equal(genuine))
	require.True(t, m.known().knows(at("b"), genuine))
}

// TestTrustedLedgerIsAskedForOnce: the operator's yes is remembered, for this
// place and this ledger only.
func TestTrustedLedgerIsAskedForOnce(t *testing.T) {
	m, inner := newMachine(t), new(rotate.MemoryLedger)
	put(inner, stamped(rotate.NewState(rotate.Settings{}), 2))
	asked := 0
	asking := func(o *RememberOptions) {
		o.Ask = func(context.Context, rotate.State) (bool, error) { asked++; return true, nil }
	}
	for range 3 {
		changed(t, m.remember(inner, "b", asking), 0)
	}
	require.Equal(t, 1, asked)
	*inner = rotate.MemoryLedger{}
	put(inner, stamped(rotate.NewState(rotate.Settings{}), 2))
	_, _, err := m.remember(inner, "b", asking).Load(t.Context())
	require.ErrorContains(t, err, "it is another ledger")
	require.Equal(t, 1, asked)

	// If the memory cannot be written, one run asks once.
	m = newMachine(t)
	require.NoError(t, os.Mkdir(m.seen+".lock", 0o700))
	l := m.remember(inner, "b", asking)
	for range 3 {
		changed(t, l, 0)
	}
	require.Equal(t, 2, asked)
	// If the question fails, the ledger is not accepted.
	wrong := errors.New("the terminal is gone")
	_, _, err = newMachine(t).remember(inner, "b", func(o *RememberOptions) {
		o.Ask = func(context.Context, rotate.State) (bool, error) { return true, wrong }
	}).Load(t.Context())
	require.ErrorIs(t, err, wrong)
}

// TestPinWinsOverMemory: a pin replaces what was seen in a place, and an older
// copy of the pinned ledger is refused all the same.
func TestPinWinsOverMemory(t *testing.T) {
	m, inner := newMachine(t), new(rotate.MemoryLedger)
	created(t, m.remember(inner, "b"))
	next := stamped(rotate.NewState(rotate.Settings{}), 4)
	*inner = rotate.MemoryLedger{}
	put(inner, next)
	pin := func(o *RememberOptions) { o.ID = next.ID() }
	_, _, err := m.remember(inner, "b", named(inner)).Load(t.Context())
	require.ErrorIs(t, err, rotate.WrongLedger, "the identity does not win")
	s := changed(t, m.remember(inner, "b", pin), 1)
	require.True(t, m.known().knows(at("b"), s), "a stored state is remembered")
	put(inner, next)
	_, _, err = m.remember(inner, "b", pin).Load(t.Context())
	require.ErrorContains(t, err, "it is an older copy")

	// A machine that remembers the ledger follows a renewal of the id. A machine that
	// is pinned to the old id does not.
	put(inner, s.Rekeyed())
	changed(t, m.remember(inner, "b"), 0)
	_, _, err = m.remember(inner, "b", pin).Load(t.Context())
	require.ErrorIs(t, err, rotate.Untrusted)
}

// TestForgedMemoryTrustsNothing: another layer.seen in the place of the genuine one,
// such as a commit can bring, makes no ledger trusted. It may refuse one.
func TestForgedMemoryTrustsNothing(t *testing.T) {
	mine, _ := keys(t)
	colleague, _ := keys(t)
	thief, _ := keys(t)
	holding := func(ids Identities, more ...func(*RememberOptions)) func(*RememberOptions) {
		return func(o *RememberOptions) {
			o.Identities = ids
			for _, m := range more {
				m(o)
			}
		}
	}
	m, inner := newMachine(t), new(rotate.MemoryLedger)
	s := created(t, m.remember(inner, "b", holding(mine)))
	changed(t, m.remember(inner, "b", holding(mine)), 1)

	// A colleague who shares the memory needs the id once, and disturbs no other mark.
	_, _, err := m.remember(inner, "b", holding(colleague)).Load(t.Context())
	require.ErrorIs(t, err, rotate.Untrusted)
	confirmed(t, m.remember(inner, "b", holding(colleague, named(inner))))
	for range 2 {
		for _, ids := range []Identities{mine, colleague} {
			changed(t, m.remember(inner, "b", holding(ids)), 1)
		}
	}
	before, err := os.Stat(m.seen)
	require.NoError(t, err)
	confirmed(t, m.remember(inner, "b", holding(mine)))
	after, err := os.Stat(m.seen)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "where nothing is new, nothing is written")

	// The marks outlast a renewal of the ledger's keys.
	now, rev, err := inner.Load(t.Context())
	require.NoError(t, err)
	_, _, err = rotate.Commit(t.Context(), inner, rev, now.Rekeyed())
	require.NoError(t, err)
	for range 2 {
		for _, ids := range []Identities{mine, colleague} {
			changed(t, m.remember(inner, "b", holding(ids)), 1)
		}
	}

	evil, forgery := newMachine(t), new(rotate.MemoryLedger)
	put(forgery, stamped(forged(rotate.NewState(rotate.Settings{}), s.Origin()), 50))
	confirmed(t, evil.remember(forgery, "b", holding(thief, named(forgery))))
	text := evil.text()
	var members map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &members))
	delete(members, "marks")
	bare, err := json.Marshal(members)
	require.NoError(t, err)
	for _, memory := range []string{text, string(bare),
		strings.Replace(text, stateOf(forgery).Fingerprint(), strings.Repeat("0", 32), 1)} {
		require.NoError(t, os.WriteFile(m.seen, []byte(memory), 0o600))
		for _, how := range []func(*RememberOptions){holding(mine), holding(mine, named(inner)), holding(mine, adopting)} {
			_, _, err := m.remember(forgery, "b", how).Load(t.Context())
			require.Error(t, err)
			require.Equal(t, memory, m.text())
		}
	}
}

// TestAdoptingNeedsTheID: an operator who adopts a ledger against the memory must
// still recognize its id, also if it claims to be the ledger that was seen.
func TestAdoptingNeedsTheID(t *testing.T) {
	m, inner := newMachine(t), new(rotate.MemoryLedger)
	genuine := created(t, m.remember(inner, "b"))
	memory := m.text()
	*inner = rotate.MemoryLedger{}
	put(inner, stamped(forged(rotate.NewState(rotate.Settings{}), genuine.Origin()), 9))
	_, _, err := m.remember(inner, "b", adopting).Load(t.Context())
	require.ErrorIs(t, err, rotate.Untrusted)
	require.Equal(t, memory, m.text())
	_, _, err = m.remember(inner, "b", adopting, named(inner)).Load(t.Context())
	require.NoError(t, err)
}

// TestIDSurvivesAllButARenewal: the id of a ledger changes only when a recipient
// is removed.
func TestIDSurvivesAllButARenewal(t *testing.T) {
	s := rotate.NewState(rotate.Settings{Target: "cloudflare"})
	require.True(t, IsID(s.ID()))
	require.NotEqual(t, s.ID(), rotate.NewState(rotate.Settings{}).ID())
	require.NotEqual(t, s.ID(), s.Origin())
	for _, next := range []rotate.State{stamped(s, 3), s.MovedTo("b"), s.WithSettings(rotate.Settings{}),
		s.WithLog(rotate.LogEntry{})} {
		require.Equal(t, s.ID(), next.ID())
	}
	renewed := s.Rekeyed()
	require.NotEqual(t, s.ID(), renewed.ID())
	require.NotEqual(t, renewed.ID(), renewed.Rekeyed().ID())
	require.Equal(t, s.Origin(), renewed.Origin())
	require.Empty(t, rotate.State{}.ID())

	// A ledger of an earlier format has its fingerprint as its id, also after it was
	// stored in this one.
	for _, format := range []int{1, 2} {
		old := edited(s, func(members map[string]any) {
			members["format"] = format
			delete(members, "anchor")
		})
		require.Equal(t, old.Fingerprint(), old.ID())
		next := edited(stamped(old, 1), func(map[string]any) {})
		require.Equal(t, old.ID(), next.ID())
		require.NotEqual(t, old.ID(), next.Rekeyed().ID())
	}
}

func TestIdentityFileNamesLedgers(t *testing.T) {
	key, _, err := NewIdentity()
	require.NoError(t, err)
	first, second, third := rotate.NewState(rotate.Settings{}).ID(), rotate.NewState(rotate.Settings{}).ID(),
		rotate.NewState(rotate.Settings{}).ID()
	path := filepath.Join(t.TempDir(), "layer.identity")
	require.NoError(t, WriteIdentity(path, key, first))
	ledgers := func() []string {
		ids, err := ReadIdentities(path)
		require.NoError(t, err)
		require.Len(t, ids.Recipients(), 1, "the key is untouched")
		return ids.Ledgers()
	}
	require.Equal(t, []string{first}, ledgers())
	for range 2 {
		named, err := AddLedger(path, second)
		require.NoError(t, err)
		require.True(t, named)
		require.Equal(t, []string{first, second}, ledgers())
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text[:len(text)-3], 0o600)) // cut short by hand
	require.Equal(t, []string{first}, ledgers())
	named, err := AddLedger(path, third)
	require.NoError(t, err)
	require.True(t, named)
	require.Equal(t, []string{first, third}, ledgers())

	// The target of a link is another file.
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	link := filepath.Join(filepath.Dir(path), "link")
	require.NoError(t, os.Symlink(path, link))
	named, err = AddLedger(link, second)
	require.NoError(t, err)
	require.False(t, named)
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Link(path, link))
	named, err = AddLedger(link, second)
	require.NoError(t, err)
	require.False(t, named)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, string(before) == string(after))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
}

// TestForeignIdentityFileIsNotEdited: a file that layer did not make is read, with
// the ids that a person put into it, and never written.
func TestForeignIdentityFileIsNotEdited(t *testing.T) {
	key, recipient, err := NewIdentity()
	require.NoError(t, err)
	id, other := rotate.NewState(rotate.Settings{}).ID(), rotate.NewState(rotate.Settings{}).ID()
	for name, text := range map[string]string{
		"age-keygen":        "# created: 2026-11-30T07:00:00Z\n# public key: " + recipient + "\n" + key.Reveal() + "\n",
		"the key alone":     key.Reveal(),
		"an id put into it": "# ledger " + other + "\n" + key.Reveal() + "\n",
		"not the first":     "# mine\n# made by layer\n" + key.Reveal() + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "layer.identity")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			named, err := AddLedger(path, id)
			require.NoError(t, err)
			require.False(t, named)
			now, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, text == string(now), "the file is as it was")
		})
	}
}

func TestParseIdentitiesReadsLedgers(t *testing.T) {
	key, _, err := NewIdentity()
	require.NoError(t, err)
	id := rotate.NewState(rotate.Settings{}).ID()
	for text, want := range map[string][]string{
		"":                         nil,
		"# ledger " + id:           {id},
		"  # ledger " + id + " \r": {id},
		"# ledger " + id[:31]:      nil,
		"# ledger " + id + "0":     nil,
		"# ledger of the shop":     nil,
		"# Ledger " + id:           nil,
		"#ledger " + id:            nil,
		"# ledger " + id + "\n# x\n# ledger " + id[16:] + id[:16]: {id, id[16:] + id[:16]},
	} {
		for _, whole := range []string{text + "\n" + key.Reveal(), key.Reveal() + "\n" + text} {
			ids, err := ParseIdentities(whole)
			require.NoError(t, err)
			require.Equal(t, want, ids.Ledgers())
		}
	}
	require.Empty(t, Identities{}.Ledgers())
	require.Error(t, WriteIdentity(filepath.Join(t.TempDir(), "x"), driver.NewValue("# ledger "+id)))
}
