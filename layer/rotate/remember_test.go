package rotate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/leak"
)

// machine is one that remembers: a folder with a layer.seen.
type machine struct {
	t    testing.TB
	seen string
}

func newMachine(t testing.TB) machine {
	t.Helper()
	return machine{t, filepath.Join(t.TempDir(), "layer.seen")}
}

func (m machine) remember(l Ledger, place string, how ...func(*RememberOptions)) Ledger {
	m.t.Helper()
	o := RememberOptions{Seen: m.seen, Place: place}
	for _, h := range how {
		h(&o)
	}
	r, err := Remember(l, o)
	require.NoError(m.t, err)
	return r
}

func adopting(o *RememberOptions) { o.Adopt = true }
func peeking(o *RememberOptions)  { o.Adopt, o.Peek = true, true }

// text is the memory as it stands in the file; empty where there is none.
func (m machine) text() string {
	m.t.Helper()
	text, err := os.ReadFile(m.seen)
	if !os.IsNotExist(err) {
		require.NoError(m.t, err)
	}
	return string(text)
}

func (m machine) known() seen {
	m.t.Helper()
	known, err := readSeen(m.seen)
	require.NoError(m.t, err)
	return known
}

// changed makes n changes, and returns the state.
func changed(t testing.TB, l Ledger, n int) State {
	t.Helper()
	s, rev, err := l.Load(context.Background())
	require.NoError(t, err)
	for range n {
		s, rev, err = Commit(context.Background(), l, rev, s)
		require.NoError(t, err)
	}
	return s
}

func created(t testing.TB, l Ledger) State {
	t.Helper()
	s, _, err := Commit(context.Background(), l, "", NewState(Settings{}))
	require.NoError(t, err)
	return s
}

// put puts a state into a ledger in memory, as a backup is restored, or somebody else's tool writes.
func put(l *MemoryLedger, s State) { l.n, l.state = l.n+1, s }

func stamped(s State, n int) State {
	for range n {
		s = s.stamped()
	}
	return s
}

func TestRememberRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		// put puts something else in the place of a ledger that has reached generation 5, by the states 1 to 4 before.
		put  func(l *MemoryLedger, history []State)
		says string
	}{
		{"older", func(l *MemoryLedger, history []State) { put(l, history[2]) },
			"it is an older copy: generation 3, and generation 5 was seen on this machine. Get the latest one (`git pull`, or a backup)"},
		{"another", func(l *MemoryLedger, _ []State) { put(l, stamped(NewState(Settings{}), 9)) }, "it is another ledger: "},
		{"forged", func(l *MemoryLedger, history []State) {
			forged := *NewState(Settings{}).state()
			forged.ID = history[0].ID()
			put(l, stamped(hold(&forged), 9))
		}, "it has the id of the ledger seen here before, but other keys: somebody forged it"},
		{"forged, with a fence", func(l *MemoryLedger, history []State) {
			forged := *NewState(Settings{}).state()
			forged.ID = history[0].ID()
			put(l, stamped(hold(&forged).MovedTo("s3://theirs"), 2))
		}, "it has the id of the ledger seen here before, but other keys: somebody forged it"},
		{"another, with a fence", func(l *MemoryLedger, _ []State) { put(l, stamped(NewState(Settings{}).MovedTo("s3://theirs"), 2)) },
			"it is another ledger: "},
		{"a clone at the same generation", func(l *MemoryLedger, history []State) { put(l, stamped(history[3], 1)) },
			"it was changed in two clones: generation 5 of it lacks a change"},
		{"a clone that is ahead", func(l *MemoryLedger, history []State) { put(l, stamped(history[3], 3)) },
			"it was changed in two clones: generation 7 of it lacks a change"},
		{"a clone that is ahead, with a fence", func(l *MemoryLedger, history []State) { put(l, stamped(history[3].MovedTo("b"), 3)) },
			"it was changed in two clones: generation 7 of it lacks a change"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := context.Background()
			m, inner := newMachine(t), new(MemoryLedger)
			l := m.remember(inner, "s3://ledgers/shop")
			history := []State{created(t, l)}
			for range 4 {
				history = append(history, changed(t, l, 1))
			}
			_, rev, err := l.Load(ctx)
			require.NoError(t, err)
			tc.put(inner, history)
			memory := m.text()
			for range 2 {
				_, _, err := m.remember(inner, "s3://ledgers/shop").Load(ctx)
				require.ErrorContains(t, err, "ledger s3://ledgers/shop: "+tc.says)
				require.ErrorContains(t, err, "`layer secret rotate --adopt-ledger` goes on with it")
			}
			n := inner.n
			_, _, err = Commit(ctx, l, rev, history[4])
			require.ErrorIs(t, err, ErrConflict)
			require.Equal(t, n, inner.n)

			// On a fresh machine nothing speaks against it.
			_, _, err = newMachine(t).remember(inner, "s3://ledgers/shop").Load(ctx)
			require.NoError(t, err)

			// A look lets it pass, and remembers nothing.
			_, _, err = m.remember(inner, "s3://ledgers/shop", peeking).Load(ctx)
			require.NoError(t, err)
			require.Equal(t, memory, m.text())
			_, _, err = m.remember(inner, "s3://ledgers/shop").Load(ctx)
			require.ErrorContains(t, err, tc.says)

			_, rev, err = m.remember(inner, "s3://ledgers/shop", adopting).Load(ctx)
			require.NoError(t, err)
			s, _, err := m.remember(inner, "s3://ledgers/shop").Load(ctx)
			require.NoError(t, err, "what was adopted is remembered")
			_, _, err = Commit(ctx, m.remember(inner, "s3://ledgers/shop"), rev, s)
			require.NoError(t, err)
			put(inner, history[4])
			_, _, err = m.remember(inner, "s3://ledgers/shop").Load(ctx)
			require.ErrorContains(t, err, "--adopt-ledger", "what it replaced is refused from then on")
		})
	}
}

// TestRememberGone: where a ledger was is none any more. Nobody makes another there by mistake.
func TestRememberGone(t *testing.T) {
	ctx := context.Background()
	m, inner := newMachine(t), new(MemoryLedger)
	_, rev, err := m.remember(inner, "b").Load(ctx)
	require.ErrorIs(t, err, ErrNotFound)
	require.Empty(t, rev)
	require.Empty(t, m.text(), "a ledger that does not exist is not remembered")
	s := created(t, m.remember(inner, "b"))
	memory := m.text()

	inner = new(MemoryLedger)
	_, rev, err = m.remember(inner, "b").Load(ctx)
	require.ErrorIs(t, err, ErrNotFound)
	require.Empty(t, rev)
	require.ErrorContains(t, err, "ledger b: ")
	require.ErrorContains(t, err, s.ID()+" was here before: restore it from git or a backup. To begin anew without it, delete "+m.seen+" first")
	_, _, err = Commit(ctx, m.remember(inner, "b"), "", NewState(Settings{}))
	require.ErrorContains(t, err, "the change is refused: it is another ledger")
	require.NotErrorIs(t, err, ErrConflict)
	_, _, err = Commit(ctx, m.remember(inner, "b"), "", NewState(Settings{}).stamped())
	require.ErrorContains(t, err, "it is another ledger")
	require.Zero(t, inner.n)
	require.Equal(t, memory, m.text())

	// Restored, it goes on; and another place is another matter.
	put(inner, s)
	changed(t, m.remember(inner, "b"), 1)
	created(t, m.remember(new(MemoryLedger), "c"))
	changed(t, m.remember(inner, "b"), 1)
}

// TestRememberRestored: a backup is restored while a run is at work, so exactly that the revision is what the run has read. What was made
// since, and is remembered, is not overwritten.
func TestRememberRestored(t *testing.T) {
	for lead := range 3 {
		m, inner := newMachine(t), new(MemoryLedger)
		l := m.remember(inner, "b")
		created(t, l)
		s, rev, err := l.Load(t.Context())
		require.NoError(t, err)
		n := inner.n
		changed(t, m.remember(inner, "b"), lead)
		inner.n, inner.state = n, s
		_, _, err = Commit(t.Context(), l, rev, s)
		if lead == 0 {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, fmt.Sprintf("the change is refused: this change was made from an older copy of it: generation %d was seen", lead+1))
		require.NotErrorIs(t, err, ErrConflict)
		require.Equal(t, n, inner.n)
	}
}

// TestRememberFollows goes on on another machine, and far: nothing of it is refused, and all of it is remembered.
func TestRememberFollows(t *testing.T) {
	t.Parallel()
	m, inner := newMachine(t), new(MemoryLedger)
	created(t, m.remember(inner, "b"))
	for _, n := range []int{1, keepWrites - 1, keepWrites, keepWrites + 1, 3 * keepWrites} {
		s := changed(t, newMachine(t).remember(inner, "b"), n)
		changed(t, m.remember(inner, "b"), 0)
		require.True(t, m.known().knows("b", s), "what was loaded is remembered")
	}
	// Others have left, and with them their keys.
	s, rev, err := inner.Load(t.Context())
	require.NoError(t, err)
	_, _, err = Commit(t.Context(), inner, rev, s.Rekeyed())
	require.NoError(t, err)
	require.True(t, m.known().knows("b", s))
	s = changed(t, m.remember(inner, "b"), 1)
	require.True(t, m.known().knows("b", s))
	before, err := os.Stat(m.seen)
	require.NoError(t, err)
	changed(t, m.remember(inner, "b"), 0)
	after, err := os.Stat(m.seen)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "where nothing is new, nothing is written")
}

// TestRememberCannotWrite: where the memory cannot be written, nothing is remembered and all else goes on.
func TestRememberCannotWrite(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, m machine){
		"its lock is a folder":   func(t *testing.T, m machine) { require.NoError(t, os.Mkdir(m.seen+".lock", 0o700)) },
		"its lock leads nowhere": func(t *testing.T, m machine) { require.NoError(t, os.Symlink("/nowhere/at/all", m.seen+".lock")) },
		"the folder is gone":     func(t *testing.T, m machine) { require.NoError(t, os.RemoveAll(filepath.Dir(m.seen))) },
		"somebody has the lock for ever": func(t *testing.T, m machine) {
			lock, err := tryLock(m.seen + ".lock")
			require.NoError(t, err)
			t.Cleanup(func() { _ = lock.Unlock() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			m, inner := newMachine(t), new(MemoryLedger)
			spoil(t, m)
			l := m.remember(inner, "b")
			s, rev, err := Commit(ctx, l, "", NewState(Settings{}))
			require.NoError(t, err)
			got, _, err := l.Load(ctx)
			require.NoError(t, err)
			require.True(t, got.Equal(s))
			_, _, err = Commit(ctx, l, rev, s)
			require.NoError(t, err)
			_, _, err = m.remember(inner, "b", adopting).Load(ctx)
			require.NoError(t, err)
			require.Empty(t, m.text())
			left, err := filepath.Glob(filepath.Join(filepath.Dir(m.seen), ".*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// TestRememberDamaged: a memory that cannot be read is no reason to go on without one.
func TestRememberDamaged(t *testing.T) {
	m, inner := newMachine(t), new(MemoryLedger)
	l := m.remember(inner, "b")
	s := created(t, l)
	_, rev, err := l.Load(t.Context())
	require.NoError(t, err)
	for text, says := range map[string]string{"": "it is damaged", "<<<<<<< HEAD": "it is damaged", `{"format":2}`: "a newer version of layer"} {
		require.NoError(t, os.WriteFile(m.seen, []byte(text), 0o600))
		_, _, err := l.Load(t.Context())
		require.ErrorContains(t, err, "ledger b: "+m.seen)
		require.ErrorContains(t, err, says)
		_, _, err = Commit(t.Context(), l, rev, s)
		require.ErrorContains(t, err, says)
		require.Equal(t, 1, inner.n)
		require.Equal(t, text, m.text())
	}
	require.NoError(t, os.WriteFile(m.seen, nil, 0o600))
	_, _, err = m.remember(inner, "b", adopting).Load(t.Context())
	require.NoError(t, err)
	changed(t, l, 1)
}

// TestRememberAtOnce: many at once, on two ledgers and one memory, each of which may be the slowest to remember. What is remembered is
// never less than it was, of neither ledger, and in the end the latest of both.
func TestRememberAtOnce(t *testing.T) {
	m := newMachine(t)
	places := map[string]*MemoryLedger{"b": new(MemoryLedger), "c": new(MemoryLedger)}
	ids := map[string]string{}
	for place, l := range places {
		ids[place] = created(t, m.remember(l, place)).ID()
	}
	ctx, stop := context.WithCancel(t.Context())
	var watching, working sync.WaitGroup
	watching.Go(func() {
		last := map[string]uint64{}
		for ctx.Err() == nil {
			known, err := readSeen(m.seen)
			if err != nil {
				t.Errorf("the memory: %v", err)
				return
			}
			for place, id := range ids {
				if now := known.Ledgers[id].Generation; now < last[id] || known.Places[place] != id {
					t.Errorf("generation %d of %s after %d", now, place, last[id])
					return
				}
				last[id] = known.Ledgers[id].Generation
			}
			time.Sleep(time.Millisecond) // and look again: nothing tells of a change
		}
	})
	for place, inner := range places {
		for range 6 {
			working.Go(func() {
				l := m.remember(inner, place) // as a process of its own has it
				for n := 0; n < 15; {
					s, rev, err := l.Load(ctx)
					if err == nil {
						_, _, err = Commit(ctx, l, rev, s)
					}
					switch {
					case err == nil:
						n++
					case !errors.Is(err, ErrConflict):
						t.Errorf("%s: %v", place, err)
						return
					}
				}
			})
		}
	}
	working.Wait()
	stop()
	watching.Wait()
	for place, inner := range places {
		require.Equal(t, uint64(91), inner.state.Generation())
		changed(t, m.remember(inner, place), 0)
		require.True(t, m.known().knows(place, inner.state))
	}
}

// TestRememberLate: who comes to remember after somebody else has remembered more leaves that as it is.
func TestRememberLate(t *testing.T) {
	m, inner := newMachine(t), new(MemoryLedger)
	l := m.remember(inner, "b").(*remembered)
	s := created(t, l)
	now := changed(t, m.remember(inner, "b"), 3)
	for _, late := range []State{s, stamped(s, 1), stamped(s, 2)} {
		l.remember(t.Context(), late)
		require.True(t, m.known().knows("b", now))
	}
	ended, end := context.WithCancel(t.Context())
	end()
	l.remember(ended, stamped(now, 1))
	require.Equal(t, now.Generation()+1, m.known().Ledgers[s.ID()].Generation, "what is stored is remembered, whoever has stopped waiting")
}

// TestRememberSweeps: what a run left that was killed while it remembered is gone after the next.
func TestRememberSweeps(t *testing.T) {
	m := newMachine(t)
	left, other := filepath.Join(filepath.Dir(m.seen), ".layer.seen.tmp-0123456789abcdef"), filepath.Join(filepath.Dir(m.seen), ".layer.seen.tmp-mine")
	for _, file := range []string{left, other} {
		require.NoError(t, os.WriteFile(file, []byte("half"), 0o600))
	}
	created(t, m.remember(new(MemoryLedger), "b"))
	require.NoFileExists(t, left)
	require.FileExists(t, other)
}

func TestRememberShowsNothing(t *testing.T) {
	m, inner := newMachine(t), new(MemoryLedger)
	l := m.remember(inner, "b")
	s := holding(hidden)
	_, _, err := Commit(t.Context(), l, "", s)
	require.NoError(t, err)
	keys := []string{hidden, string(s.state().ByKey), string(s.state().FpKey)}
	for _, key := range keys {
		require.Empty(t, leak.Find(m.text(), key))
	}
	require.Empty(t, leak.Check(l, keys...))
	require.Empty(t, leak.Check(struct{ L Ledger }{l}, keys...))
	require.Equal(t, "ledger b", fmt.Sprint(l))
	put(inner, NewState(Settings{}).stamped())
	_, _, err = l.Load(t.Context())
	require.Error(t, err)
	require.Empty(t, leak.Check(err, keys...))
	for _, file := range []string{m.seen, m.seen + ".lock"} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
}

func TestRememberOptions(t *testing.T) {
	_, err := Remember(new(MemoryLedger), RememberOptions{})
	require.ErrorContains(t, err, "needs a place")
	t.Chdir(t.TempDir())
	l, err := Remember(new(MemoryLedger), RememberOptions{Place: "b"})
	require.NoError(t, err)
	require.NoFileExists(t, "layer.seen", "nothing is written yet")
	here, err := os.Getwd()
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	created(t, l)
	require.FileExists(t, filepath.Join(here, "layer.seen"))
}
