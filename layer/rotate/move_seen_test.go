package rotate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// team is a machine in whose folder a ledger moves among a file and two places elsewhere, all in one memory.
type team struct {
	machine
	ids    Identities
	remote map[string]*MemoryLedger
}

const (
	inTheFile     = "layer.secrets.age"
	inTheBucket   = "s3://ledgers/shop"
	inTheDatabase = "postgres://db/ledgers"
)

func newTeam(t *testing.T) team {
	t.Helper()
	identity, _, err := NewIdentity()
	require.NoError(t, err)
	ids, err := ParseIdentities(identity.Reveal())
	require.NoError(t, err)
	m := team{newMachine(t), ids, map[string]*MemoryLedger{inTheBucket: {}, inTheDatabase: {}}}
	_, _, err = Commit(context.Background(), m.open(inTheFile), "", NewState(Settings{Recipients: ids.Recipients()}))
	require.NoError(t, err)
	return m
}

func (m team) path() string { return filepath.Join(filepath.Dir(m.seen), inTheFile) }

func (m team) open(place string, how ...func(*RememberOptions)) Ledger {
	m.t.Helper()
	if place != inTheFile {
		return m.remember(m.remote[place], place, how...)
	}
	var o RememberOptions
	for _, h := range how {
		h(&o)
	}
	f, err := OpenFile(m.path(), FileOptions{Identities: m.ids, Adopt: o.Adopt, Peek: o.Peek})
	require.NoError(m.t, err)
	return f
}

// move moves as the command does: what is in the new place already is for Move to judge.
func (m team) move(from, to string) (State, error) {
	return Move(context.Background(), m.open(from), m.open(to, peeking), MoveOptions{From: from, To: to})
}

// backup returns what brings back what is in a place now.
func (m team) backup(place string) (restore func()) {
	m.t.Helper()
	if l := m.remote[place]; l != nil {
		s := l.state
		return func() { put(l, s) }
	}
	data, err := os.ReadFile(m.path())
	require.NoError(m.t, err)
	return func() { require.NoError(m.t, os.WriteFile(m.path(), data, 0o600)) }
}

// replace puts a state into a place, as somebody does who has no memory.
func (m team) replace(place string, s State) {
	m.t.Helper()
	if l := m.remote[place]; l != nil {
		put(l, s)
		return
	}
	sealed, err := m.open(place).(*File).seal(s)
	require.NoError(m.t, err)
	require.NoError(m.t, os.WriteFile(m.path(), sealed, 0o600))
}

// TestMoveIsRemembered: after a move the new place passes, and what was left in the others is known for that: it says where the ledger
// is now, and is not taken for an older copy. What else could stand in any of them is refused as before.
func TestMoveIsRemembered(t *testing.T) {
	ctx := context.Background()
	m := newTeam(t)
	at, left := inTheFile, map[string]string{}
	for _, next := range []string{inTheBucket, inTheDatabase, inTheFile, inTheBucket, inTheFile} {
		_, err := m.move(at, next)
		require.NoError(t, err)
		left[at], at = next, next
		delete(left, at)
		s := changed(t, m.open(at), 2)
		memory := m.text()
		for place, to := range left {
			old, rev, err := m.open(place).Load(ctx)
			require.NoError(t, err, "what was left in %s is no older copy", place)
			require.Equal(t, to, old.Moved())
			require.Equal(t, memory, m.text(), "and is not remembered in the place of what is newer")
			_, _, err = Commit(ctx, m.open(place), rev, old)
			require.ErrorContains(t, err, "this change was made from an older copy of it", "nobody goes on with it by mistake")

			now := m.backup(place)
			forged := *NewState(s.Settings()).state()
			forged.ID = s.ID()
			for says, wrong := range map[string]State{
				"it is another ledger":           stamped(NewState(s.Settings()).MovedTo(inTheDatabase), 2),
				"other keys: somebody forged it": stamped(hold(&forged).MovedTo("s3://theirs"), 2),
				fmt.Sprintf("it is an older copy: generation %d", old.Generation()): old.MovedTo(""),
			} {
				m.replace(place, wrong)
				_, _, err = m.open(place).Load(ctx)
				require.ErrorContains(t, err, says, place)
			}
			now()
		}
		require.Equal(t, memory, m.text())
		changed(t, m.open(at), 1)
	}
}

// TestMoveDoesNotGoBack: the fence that was left in a place is brought back by a backup or a checkout, after the ledger was moved back
// there and went on. What the memory has seen since is not replaced by what was left elsewhere.
func TestMoveDoesNotGoBack(t *testing.T) {
	for _, home := range []string{inTheFile, inTheDatabase} {
		t.Run(home, func(t *testing.T) {
			ctx := context.Background()
			m := newTeam(t)
			if home != inTheFile {
				_, err := m.move(inTheFile, home)
				require.NoError(t, err)
			}
			_, err := m.move(home, inTheBucket)
			require.NoError(t, err)
			restore := m.backup(home)
			_, err = m.move(inTheBucket, home)
			require.NoError(t, err)
			s := changed(t, m.open(home), 2)
			latest := m.backup(home)

			restore()
			memory := m.text()
			_, err = m.move(inTheBucket, home)
			require.ErrorContains(t, err, fmt.Sprintf("generation %d was seen on this machine", s.Generation()))
			require.Equal(t, memory, m.text())
			latest()
			got, _, err := m.open(home).Load(ctx)
			require.NoError(t, err)
			require.True(t, got.Equal(s))
		})
	}
}

// TestMoveToWhereAnotherWas: a place in which another ledger was, and is none now, is free.
func TestMoveToWhereAnotherWas(t *testing.T) {
	for _, place := range []string{inTheBucket, inTheFile} {
		m := newTeam(t)
		from := inTheFile
		if place == inTheFile {
			_, err := m.move(inTheFile, inTheDatabase)
			require.NoError(t, err)
			require.NoError(t, os.Remove(m.path()))
			require.NoError(t, os.Remove(m.seen))
			from = inTheDatabase
			_, _, err = Commit(t.Context(), m.open(place), "", NewState(Settings{Recipients: m.ids.Recipients()}))
			require.NoError(t, err)
			require.NoError(t, os.Remove(m.path()))
		} else {
			created(t, m.open(place))
			*m.remote[place] = MemoryLedger{}
		}
		_, err := m.move(from, place)
		require.NoError(t, err)
		changed(t, m.open(place), 1)
	}
}

// TestMoveAdopted: a person goes on with what was left, and everything else is refused from then on.
func TestMoveAdopted(t *testing.T) {
	ctx := context.Background()
	m := newTeam(t)
	_, err := m.move(inTheFile, inTheBucket)
	require.NoError(t, err)
	changed(t, m.open(inTheBucket), 3)
	memory := m.text()
	_, _, err = m.open(inTheFile, peeking).Load(ctx)
	require.NoError(t, err)
	require.Equal(t, memory, m.text())
	l := m.open(inTheFile, adopting)
	s, rev, err := l.Load(ctx)
	require.NoError(t, err)
	_, _, err = Commit(ctx, l, rev, s.MovedTo(""))
	require.NoError(t, err)
	changed(t, m.open(inTheFile), 2)
	_, _, err = m.open(inTheBucket).Load(ctx)
	require.ErrorContains(t, err, "--adopt-ledger", "the other one, which is in use as well")
}
