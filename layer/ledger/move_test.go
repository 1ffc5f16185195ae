package ledger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/rotate"
)

// team is a machine on which a ledger moves between a file and two remote places.
// One memory records all places.
type team struct {
	machine
	file   *filed
	remote map[string]*rotate.MemoryLedger
}

const (
	inTheFile     = "layer.secrets.age"
	inTheBucket   = "s3://ledgers/shop"
	inTheDatabase = "postgres://db/ledgers"
)

func newTeam(t *testing.T) team {
	t.Helper()
	m := newMachine(t)
	f := &filed{new(rotate.MemoryLedger), filepath.Join(filepath.Dir(m.seen), inTheFile), make(chan struct{}, 1)}
	all := team{m, f, map[string]*rotate.MemoryLedger{inTheBucket: {}, inTheDatabase: {}}}
	created(t, all.open(inTheFile))
	return all
}

// filed is a ledger that looks to Remember like a file with a lock.
type filed struct {
	*rotate.MemoryLedger
	path string
	lock chan struct{}
}

func (f *filed) Path() string { return f.path }

func (f *filed) Lock(ctx context.Context) (unlock func() error, err error) {
	select {
	case f.lock <- struct{}{}:
		return func() error { <-f.lock; return nil }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (m team) open(place string, how ...func(*RememberOptions)) rotate.Ledger {
	m.t.Helper()
	if place != inTheFile {
		return m.remember(m.remote[place], place, how...)
	}
	return m.remember(m.file, "", how...)
}

// move moves like the command. Move decides about a ledger that is in the new
// place already.
func (m team) move(from, to string) (rotate.State, error) {
	return rotate.Move(context.Background(), m.open(from), m.open(to, peeking), rotate.MoveOptions{From: from, To: to})
}

// backup returns a function that restores the present content of a place.
func (m team) backup(place string) (restore func()) {
	m.t.Helper()
	if l := m.remote[place]; l != nil {
		s := stateOf(l)
		return func() { put(l, s) }
	}
	s := stateOf(m.file.MemoryLedger)
	return func() { put(m.file.MemoryLedger, s) }
}

// replace writes a state to a place without a memory.
func (m team) replace(place string, s rotate.State) {
	m.t.Helper()
	if l := m.remote[place]; l != nil {
		put(l, s)
		return
	}
	put(m.file.MemoryLedger, s)
}

// TestMoveIsRemembered: after a move, the ledger in the new place is accepted. The
// fence in an old place names the new place and is not refused as an older copy.
// Any other content of these places is refused as before.
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
			require.NoError(t, err, "the fence in %s is no older copy", place)
			require.Equal(t, to, old.Moved())
			require.Equal(t, memory, m.text(), "the fence does not replace a newer state in the memory")
			_, _, err = rotate.Commit(ctx, m.open(place), rev, old)
			require.ErrorContains(t, err, "this change was made from an older copy of the ledger: generation",
				"the fence cannot be changed by mistake")

			now := m.backup(place)
			for says, wrong := range map[string]rotate.State{
				"it is another ledger": stamped(rotate.NewState(s.Settings()).MovedTo(inTheDatabase), 2),
				"other keys: it is forged": stamped(forged(rotate.NewState(s.Settings()),
					s.Origin()).MovedTo("s3://theirs"), 2),
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

// TestMoveDoesNotGoBack: a ledger was moved back to a place and changed there.
// Then a backup or a checkout restores the old fence in that place. The fence does
// not replace the later state in the memory.
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

// TestMoveToWhereAnotherWas: a place that had another ledger and is empty now is
// free.
func TestMoveToWhereAnotherWas(t *testing.T) {
	for _, place := range []string{inTheBucket, inTheFile} {
		m := newTeam(t)
		from := inTheFile
		if place == inTheFile {
			_, err := m.move(inTheFile, inTheDatabase)
			require.NoError(t, err)
			*m.file.MemoryLedger = rotate.MemoryLedger{}
			require.NoError(t, os.Remove(m.seen))
			from = inTheDatabase
			m.open(from).(rotate.Confirmer).Confirmed(t.Context(), stateOf(m.remote[from]))
			_, _, err = rotate.Commit(t.Context(), m.open(place), "", rotate.NewState(rotate.Settings{}))
			require.NoError(t, err)
			*m.file.MemoryLedger = rotate.MemoryLedger{}
		} else {
			created(t, m.open(place))
			*m.remote[place] = rotate.MemoryLedger{}
		}
		_, err := m.move(from, place)
		require.NoError(t, err)
		changed(t, m.open(place), 1)
	}
}

// TestMoveAdopted: an operator continues with a fence, and everything else is
// refused from then on.
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
	_, _, err = rotate.Commit(ctx, l, rev, s.MovedTo(""))
	require.NoError(t, err)
	changed(t, m.open(inTheFile), 2)
	_, _, err = m.open(inTheBucket).Load(ctx)
	require.ErrorIs(t, err, rotate.WrongLedger, "the other one, which is in use as well")
}
