package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/internal/filelock"
	"github.com/layeron-hq/secret/layer/rotate"
)

// machine is a machine with a memory: a folder with a layer.seen.
type machine struct {
	t    testing.TB
	seen string
}

func newMachine(t testing.TB) machine {
	t.Helper()
	return machine{t, filepath.Join(t.TempDir(), "layer.seen")}
}

func (m machine) remember(l rotate.Ledger, place string, how ...func(*RememberOptions)) rotate.Ledger {
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

// named gives a machine the id of the present ledger, like an identity file.
func named(l *rotate.MemoryLedger) func(*RememberOptions) {
	return func(o *RememberOptions) { o.IDs = []string{stateOf(l).ID()} }
}

// text returns the content of the memory's file, or "" if there is none.
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
func changed(t testing.TB, l rotate.Ledger, n int) rotate.State {
	t.Helper()
	s, rev, err := l.Load(context.Background())
	require.NoError(t, err)
	for range n {
		s, rev, err = rotate.Commit(context.Background(), l, rev, s)
		require.NoError(t, err)
	}
	return s
}

// at is the part of a ledger in the memory, by its place.
func at(place string) memory { return memory{place: place} }

// confirmed loads a state, which the target then confirms.
func confirmed(t testing.TB, l rotate.Ledger) rotate.State {
	t.Helper()
	s := changed(t, l, 0)
	l.(rotate.Confirmer).Confirmed(context.Background(), s)
	return s
}

func created(t testing.TB, l rotate.Ledger) rotate.State {
	t.Helper()
	s, _, err := rotate.Commit(context.Background(), l, "", rotate.NewState(rotate.Settings{}))
	require.NoError(t, err)
	return s
}

func TestRememberRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		// put replaces a ledger that has reached generation 5. history has its states.
		put  func(l *rotate.MemoryLedger, history []rotate.State)
		says string
	}{
		{"older", func(l *rotate.MemoryLedger, history []rotate.State) { put(l, history[2]) },
			"it is an older copy: generation 3, and generation 5 was seen on this machine. Get the latest one " +
				"(`git pull`, or a backup)"},
		{"another", func(l *rotate.MemoryLedger, _ []rotate.State) {
			put(l, stamped(rotate.NewState(rotate.Settings{}),
				9))
		}, "it is another ledger: "},
		{"forged", func(l *rotate.MemoryLedger, history []rotate.State) {
			put(l, stamped(forged(rotate.NewState(rotate.Settings{}), history[0].Origin()), 9))
		}, "it continues the ledger seen here before, but has other keys: it is forged"},
		{"forged, with a fence", func(l *rotate.MemoryLedger, history []rotate.State) {
			put(l, stamped(forged(rotate.NewState(rotate.Settings{}), history[0].Origin()).MovedTo("s3://theirs"), 2))
		}, "it continues the ledger seen here before, but has other keys: it is forged"},
		{"another, with a fence", func(l *rotate.MemoryLedger, _ []rotate.State) {
			put(l, stamped(rotate.NewState(rotate.Settings{}).MovedTo("s3://theirs"), 2))
		},
			"it is another ledger: "},
		{"a clone at the same generation", func(l *rotate.MemoryLedger, history []rotate.State) {
			put(l,
				stamped(history[3], 1))
		},
			"it was changed in two clones: its generation 5 lacks a change"},
		{"a clone that is ahead", func(l *rotate.MemoryLedger, history []rotate.State) {
			put(l,
				stamped(history[3], 3))
		},
			"it was changed in two clones: its generation 7 lacks a change"},
		{"a clone that is ahead, with a fence", func(l *rotate.MemoryLedger, history []rotate.State) {
			put(l,
				stamped(history[3].MovedTo("b"), 3))
		},
			"it was changed in two clones: its generation 7 lacks a change"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := context.Background()
			m, inner := newMachine(t), new(rotate.MemoryLedger)
			l := m.remember(inner, "s3://ledgers/shop")
			history := []rotate.State{created(t, l)}
			for range 4 {
				history = append(history, changed(t, l, 1))
			}
			_, rev, err := l.Load(ctx)
			require.NoError(t, err)
			tc.put(inner, history)
			memory := m.text()
			for range 2 {
				_, _, err := m.remember(inner, "s3://ledgers/shop", named(inner)).Load(ctx)
				require.ErrorContains(t, err, "ledger s3://ledgers/shop: "+tc.says)
				require.ErrorIs(t, err, rotate.WrongLedger)
			}
			n := revision(inner)
			_, _, err = rotate.Commit(ctx, l, rev, history[4])
			require.ErrorIs(t, err, rotate.ErrConflict)
			require.Equal(t, n, revision(inner))

			// On a fresh machine its id is enough.
			_, _, err = newMachine(t).remember(inner, "s3://ledgers/shop", named(inner)).Load(ctx)
			require.NoError(t, err)

			// Peek accepts it and remembers nothing.
			_, _, err = m.remember(inner, "s3://ledgers/shop", peeking, named(inner)).Load(ctx)
			require.NoError(t, err)
			require.Equal(t, memory, m.text())
			_, _, err = m.remember(inner, "s3://ledgers/shop").Load(ctx)
			require.ErrorContains(t, err, tc.says)

			_, rev, err = m.remember(inner, "s3://ledgers/shop", adopting, named(inner)).Load(ctx)
			require.NoError(t, err)
			s, _, err := m.remember(inner, "s3://ledgers/shop").Load(ctx)
			require.NoError(t, err, "the adopted ledger is remembered")
			_, _, err = rotate.Commit(ctx, m.remember(inner, "s3://ledgers/shop"), rev, s)
			require.NoError(t, err)
			put(inner, history[4])
			_, _, err = m.remember(inner, "s3://ledgers/shop").Load(ctx)
			require.ErrorIs(t, err, rotate.WrongLedger, "the replaced ledger is refused from then on")
		})
	}
}

// TestRememberGone: a ledger is missing. No run creates another one in its place
// by mistake.
func TestRememberGone(t *testing.T) {
	ctx := context.Background()
	m, inner := newMachine(t), new(rotate.MemoryLedger)
	_, rev, err := m.remember(inner, "b").Load(ctx)
	require.ErrorIs(t, err, rotate.ErrNotFound)
	require.Empty(t, rev)
	require.Empty(t, m.text(), "a ledger that does not exist is not remembered")
	s := created(t, m.remember(inner, "b"))
	memory := m.text()

	inner = new(rotate.MemoryLedger)
	_, rev, err = m.remember(inner, "b").Load(ctx)
	require.ErrorIs(t, err, rotate.ErrNotFound)
	require.Empty(t, rev)
	require.ErrorContains(t, err, "ledger b: ")
	require.ErrorContains(t, err, s.ID()+" was here before: restore it from git or a backup. To begin anew without "+
		"it, delete "+m.seen+" first")
	_, _, err = rotate.Commit(ctx, m.remember(inner, "b"), "", rotate.NewState(rotate.Settings{}))
	require.ErrorContains(t, err, "the change is refused: it is another ledger")
	require.NotErrorIs(t, err, rotate.ErrConflict)
	_, _, err = rotate.Commit(ctx, m.remember(inner, "b"), "", stamped(rotate.NewState(rotate.Settings{}), 1))
	require.ErrorContains(t, err, "it is another ledger")
	require.Empty(t, revision(inner))
	require.Equal(t, memory, m.text())

	// After a restore, the ledger is accepted. Another place is independent.
	put(inner, s)
	changed(t, m.remember(inner, "b"), 1)
	created(t, m.remember(new(rotate.MemoryLedger), "c"))
	changed(t, m.remember(inner, "b"), 1)
}

// TestRememberRestored: a backup is restored during a run, and its revision is the
// one that the run has read. The run does not overwrite the later changes that the
// memory records.
func TestRememberRestored(t *testing.T) {
	for lead := range 3 {
		m, inner := newMachine(t), new(rotate.MemoryLedger)
		l := m.remember(inner, "b")
		created(t, l)
		s, rev, err := l.Load(t.Context())
		require.NoError(t, err)
		n := revision(inner)
		changed(t, m.remember(inner, "b"), lead)
		*inner = rotate.MemoryLedger{}
		put(inner, s)
		_, _, err = rotate.Commit(t.Context(), l, rev, s)
		if lead == 0 {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, fmt.Sprintf("the change is refused: this change was made from an older copy of "+
			"the ledger: generation %d was seen", lead+1))
		require.NotErrorIs(t, err, rotate.ErrConflict)
		require.Equal(t, n, revision(inner))
	}
}

// TestRememberFollows: a ledger is changed often on another machine. Every state
// is accepted and remembered.
func TestRememberFollows(t *testing.T) {
	t.Parallel()
	m, inner := newMachine(t), new(rotate.MemoryLedger)
	created(t, m.remember(inner, "b"))
	for _, n := range []int{1, 64 - 1, 64, 64 + 1, 3 * 64} {
		s := changed(t, newMachine(t).remember(inner, "b", named(inner)), n)
		memory := m.text()
		changed(t, m.remember(inner, "b"), 0)
		require.Equal(t, memory, m.text(), "a load remembers nothing")
		confirmed(t, m.remember(inner, "b", peeking))
		require.Equal(t, memory, m.text(), "neither does a look")
		confirmed(t, m.remember(inner, "b"))
		require.True(t, m.known().knows(at("b"), s), "a confirmed state is remembered")
	}
	// Other recipients were removed, and the keys of the ledger were replaced.
	s, rev, err := inner.Load(t.Context())
	require.NoError(t, err)
	_, _, err = rotate.Commit(t.Context(), inner, rev, s.Rekeyed())
	require.NoError(t, err)
	require.True(t, m.known().knows(at("b"), s))
	s = changed(t, m.remember(inner, "b"), 1)
	require.True(t, m.known().knows(at("b"), s))
	before, err := os.Stat(m.seen)
	require.NoError(t, err)
	confirmed(t, m.remember(inner, "b"))
	after, err := os.Stat(m.seen)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "where nothing is new, nothing is written")
}

// TestRememberCannotWrite: if the memory cannot be written, nothing is remembered
// and everything else works.
func TestRememberCannotWrite(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, m machine){
		"its lock is a folder": func(t *testing.T, m machine) { require.NoError(t, os.Mkdir(m.seen+".lock", 0o700)) },
		"its lock leads nowhere": func(t *testing.T, m machine) {
			require.NoError(t,
				os.Symlink("/nowhere/at/all", m.seen+".lock"))
		},
		"the folder is gone": func(t *testing.T, m machine) {
			require.NoError(t,
				os.RemoveAll(filepath.Dir(m.seen)))
		},
		"somebody has the lock for ever": func(t *testing.T, m machine) {
			lock, err := filelock.Try(m.seen+".lock", m.seen)
			require.NoError(t, err)
			t.Cleanup(func() { _ = lock.Unlock() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			m, inner := newMachine(t), new(rotate.MemoryLedger)
			spoil(t, m)
			l := m.remember(inner, "b")
			s, rev, err := rotate.Commit(ctx, l, "", rotate.NewState(rotate.Settings{}))
			require.NoError(t, err)
			got, _, err := l.Load(ctx)
			require.NoError(t, err)
			require.True(t, got.Equal(s))
			_, _, err = rotate.Commit(ctx, l, rev, s)
			require.NoError(t, err)
			_, _, err = m.remember(inner, "b", adopting, named(inner)).Load(ctx)
			require.ErrorContains(t, err, "ledger b: "+m.seen+" cannot be written", "an adoption that is not "+
				"remembered is reported")
			require.Empty(t, m.text())
			left, err := filepath.Glob(filepath.Join(filepath.Dir(m.seen), ".*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// TestRememberDamaged: if the memory cannot be read, the ledger is refused.
func TestRememberDamaged(t *testing.T) {
	m, inner := newMachine(t), new(rotate.MemoryLedger)
	l := m.remember(inner, "b")
	s := created(t, l)
	_, rev, err := l.Load(t.Context())
	require.NoError(t, err)
	for text, says := range map[string]string{"": "it is damaged", "<<<<<<< HEAD": "it is damaged",
		`{"format":2}`: "a newer version of layer"} {
		require.NoError(t, os.WriteFile(m.seen, []byte(text), 0o600))
		_, _, err := l.Load(t.Context())
		require.ErrorContains(t, err, "ledger b: "+m.seen)
		require.ErrorContains(t, err, says)
		_, _, err = rotate.Commit(t.Context(), l, rev, s)
		require.ErrorContains(t, err, says)
		require.Equal(t, rotate.Revision("1"), revision(inner))
		require.Equal(t, text, m.text())
	}
	require.NoError(t, os.WriteFile(m.seen, nil, 0o600))
	_, _, err = m.remember(inner, "b", adopting, named(inner)).Load(t.Context())
	require.NoError(t, err)
	changed(t, l, 1)
}

// TestRememberAtOnce: many handles on two ledgers share one memory. Any handle
// may be the slowest to remember. The memory never goes back, for neither ledger,
// and in the end it has the latest state of both.
func TestRememberAtOnce(t *testing.T) {
	m := newMachine(t)
	places := map[string]*rotate.MemoryLedger{"b": new(rotate.MemoryLedger), "c": new(rotate.MemoryLedger)}
	ids := map[string]string{}
	for place, l := range places {
		ids[place] = created(t, m.remember(l, place)).Origin()
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
			time.Sleep(time.Millisecond) // poll: nothing reports a change
		}
	})
	for place, inner := range places {
		for range 6 {
			working.Go(func() {
				l := m.remember(inner, place) // a separate handle, like that of another process
				for n := 0; n < 15; {
					s, rev, err := l.Load(ctx)
					if err == nil {
						_, _, err = rotate.Commit(ctx, l, rev, s)
					}
					switch {
					case err == nil:
						n++
					case !errors.Is(err, rotate.ErrConflict):
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
		require.Equal(t, uint64(91), stateOf(inner).Generation())
		changed(t, m.remember(inner, place), 0)
		require.True(t, m.known().knows(at(place), stateOf(inner)))
	}
}

// TestRememberLate: a handle that remembers late does not replace a later state
// that another one has remembered.
func TestRememberLate(t *testing.T) {
	m, inner := newMachine(t), new(rotate.MemoryLedger)
	l := m.remember(inner, "b").(*remembered)
	s := created(t, l)
	now := changed(t, m.remember(inner, "b"), 3)
	for _, late := range []rotate.State{s, stamped(s, 1), stamped(s, 2)} {
		require.NoError(t, l.remember(t.Context(), late, true))
		require.True(t, m.known().knows(at("b"), now))
	}
	ended, end := context.WithCancel(t.Context())
	end()
	require.NoError(t, l.remember(ended, stamped(now, 1), false))
	require.Equal(t, now.Generation()+1, m.known().Ledgers[s.Origin()].Generation, "a stored state is remembered, "+
		"even if the caller stopped waiting")
}

// TestRememberSyncsFirst: another process's change must be durable before it is
// remembered, or a power cut makes the ledger look older than it is.
func TestRememberSyncsFirst(t *testing.T) {
	m := newMachine(t)
	var steps []string
	step := func(what string) error { steps = append(steps, what); return nil }
	inner := syncing{new(rotate.MemoryLedger), step}
	created(t, newMachine(t).remember(inner, "b"))
	steps = nil
	l := m.remember(inner, "b", named(inner.MemoryLedger)).(*remembered)
	l.step = step
	for range 2 { // the second pass has nothing to remember
		confirmed(t, l)
		require.Equal(t, []string{"create layer.seen", "write layer.seen", "sync layer.seen", "close layer.seen",
			"sync the ledger", "rename layer.seen"}, steps)
	}
}

type syncing struct {
	*rotate.MemoryLedger
	step func(what string) error
}

func (s syncing) Sync() error { return s.step("sync the ledger") }

// TestRememberFailingAtEachStep: the memory is completely old or completely new,
// and the change is made in any case.
func TestRememberFailingAtEachStep(t *testing.T) {
	for fail := range 5 {
		m, inner := newMachine(t), new(rotate.MemoryLedger)
		s := created(t, m.remember(inner, "b"))
		before := m.text()
		l, n := m.remember(inner, "b").(*remembered), 0
		l.step = func(string) error {
			if n++; n == fail+1 {
				return syscall.ENOSPC
			}
			return nil
		}
		_, rev, err := l.Load(t.Context())
		require.NoError(t, err)
		next, _, err := rotate.Commit(t.Context(), l, rev, s)
		require.NoError(t, err)
		require.Equal(t, before, m.text())
		require.Greater(t, n, fail, "the step came")
		entries, err := os.ReadDir(filepath.Dir(m.seen))
		require.NoError(t, err)
		require.Len(t, entries, 2, "nothing half done is left")
		confirmed(t, m.remember(inner, "b"))
		require.True(t, m.known().knows(at("b"), next))
	}
}

// TestRememberSweeps: the next run removes the temporary file of a run that was
// killed while it remembered.
func TestRememberSweeps(t *testing.T) {
	m := newMachine(t)
	left, other := filepath.Join(filepath.Dir(m.seen), ".layer-layer.seen.0123456789abcdef.tmp"),
		filepath.Join(filepath.Dir(m.seen), ".layer-layer.seen.mine.tmp")
	for _, file := range []string{left, other} {
		require.NoError(t, os.WriteFile(file, []byte("half"), 0o600))
	}
	created(t, m.remember(new(rotate.MemoryLedger), "b"))
	require.NoFileExists(t, left)
	require.FileExists(t, other)
}

// A run that has nothing to remember removes such files too.
func TestReaderOfMemorySweeps(t *testing.T) {
	m, inner := newMachine(t), new(rotate.MemoryLedger)
	created(t, m.remember(inner, "b"))
	left := filepath.Join(filepath.Dir(m.seen), ".layer-layer.seen.0123456789abcdef.tmp")
	require.NoError(t, os.WriteFile(left, []byte("half"), 0o600))
	_, _, err := m.remember(inner, "b").Load(t.Context())
	require.NoError(t, err)
	require.NoFileExists(t, left)
}

func TestRememberShowsNothing(t *testing.T) {
	m, inner := newMachine(t), new(rotate.MemoryLedger)
	l := m.remember(inner, "b")
	s, keys := holding(t)
	_, _, err := rotate.Commit(t.Context(), l, "", s)
	require.NoError(t, err)
	for _, key := range keys {
		require.Empty(t, redacttest.Find(m.text(), key))
	}
	require.Empty(t, redacttest.Check(l, keys...))
	require.Empty(t, redacttest.Check(struct{ L rotate.Ledger }{l}, keys...))
	require.Equal(t, "ledger b", fmt.Sprint(l))
	put(inner, stamped(rotate.NewState(rotate.Settings{}), 1))
	_, _, err = l.Load(t.Context())
	require.Error(t, err)
	require.Empty(t, redacttest.Check(err, keys...))
	for _, file := range []string{m.seen, m.seen + ".lock"} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
}

func TestRememberOptions(t *testing.T) {
	_, err := Remember(new(rotate.MemoryLedger), RememberOptions{})
	require.ErrorContains(t, err, "needs a place")
	t.Chdir(t.TempDir())
	l, err := Remember(new(rotate.MemoryLedger), RememberOptions{Place: "b"})
	require.NoError(t, err)
	require.NoFileExists(t, "layer.seen", "nothing is written yet")
	here, err := os.Getwd()
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	created(t, l)
	require.FileExists(t, filepath.Join(here, "layer.seen"))
}
