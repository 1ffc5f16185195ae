package rotate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// tally is a state whose project counts the changes.
func tally(s State, n string) State {
	set := s.Settings()
	set.Project = n
	return s.WithSettings(set)
}

func reopen(t testing.TB, f *File) *File {
	t.Helper()
	again, err := OpenFile(f.path, FileOptions{Identities: f.ids, Seen: f.seenPath})
	require.NoError(t, err)
	return again
}

func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

var ledgerFiles = []string{"layer.secrets.age", "layer.secrets.age.lock", "layer.seen"}

var changeSteps = []string{
	"sweep layer.secrets.age", "sweep layer.seen",
	"create layer.seen", "write layer.seen", "written layer.seen",
	"create layer.secrets.age", "write layer.secrets.age", "written layer.secrets.age",
	"rename layer.secrets.age",
	// What layer.seen remembers must be on the disk first, or a power cut makes the ledger look older than it is.
	"sync folder of layer.secrets.age",
	"rename layer.seen",
}

func TestFileStepsOfAChange(t *testing.T) {
	f, s := newFile(t)
	var steps []string
	f.disk.at = func(step string) error {
		steps = append(steps, step)
		return nil
	}
	_, _, err := Commit(context.Background(), f, "", s)
	require.NoError(t, err)
	require.Equal(t, changeSteps, steps)
}

// TestFileStepsOfALoad: what another machine changed must be on the disk before it is remembered.
func TestFileStepsOfALoad(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	_, _, err := Commit(ctx, f, "", s)
	require.NoError(t, err)
	var steps []string
	again, err := OpenFile(f.path, FileOptions{Identities: f.ids, Seen: filepath.Join(t.TempDir(), "layer.seen")})
	require.NoError(t, err)
	again.disk.at = func(step string) error {
		steps = append(steps, step)
		return nil
	}
	for range 2 { // the second has nothing to remember
		_, _, err = again.Load(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"create layer.seen", "write layer.seen", "written layer.seen",
			"sync folder of layer.secrets.age", "rename layer.seen"}, steps)
	}
}

// TestFileFailure lets each step of a change fail, alone or with all that follow it, as in a crash: what is there then is the
// state before or the one after, as the change has said, and the next change cleans up.
func TestFileFailure(t *testing.T) {
	for _, crash := range []bool{false, true} {
		for _, create := range []bool{false, true} {
			for i, failing := range changeSteps {
				name := map[bool]string{false: "fails", true: "crash"}[crash] + map[bool]string{false: "", true: ", creation"}[create]
				t.Run(failing+" "+name, func(t *testing.T) { failAt(t, i, crash, create) })
			}
		}
	}
}

func failAt(t *testing.T, i int, crash, create bool) {
	ctx := context.Background()
	f, s := newFile(t)
	before, rev := State{}, Revision("")
	if !create {
		var err error
		before, rev, err = Commit(ctx, f, "", tally(s, "before"))
		require.NoError(t, err)
		s = before
	}
	n := 0
	f.disk.at = func(string) error {
		n++
		if n == i+1 || crash && n > i {
			return syscall.ENOSPC
		}
		return nil
	}
	_, _, err := Commit(ctx, f, rev, tally(s, "after"))
	require.Greater(t, n, i, "the step never came")

	again := reopen(t, f)
	found, now, loadErr := again.Load(ctx)
	renamed := i > slices.Index(changeSteps, "rename layer.secrets.age")
	confirmed := i > slices.Index(changeSteps, "sync folder of layer.secrets.age")
	switch {
	case confirmed:
		require.NoError(t, err)
	case renamed:
		require.ErrorIs(t, err, ErrUnknown)
	default:
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NotErrorIs(t, err, ErrUnknown)
		require.ErrorContains(t, err, "The ledger is as it was")
	}
	if !crash {
		// A change that failed cleans up after itself.
		for _, name := range files(t, filepath.Dir(f.path)) {
			require.Contains(t, ledgerFiles, name)
		}
	}
	switch {
	case renamed:
		require.NoError(t, loadErr)
		require.Equal(t, "after", found.Settings().Project)
	case create:
		require.ErrorIs(t, loadErr, ErrNotFound)
		found = s
	default:
		require.NoError(t, loadErr)
		require.True(t, found.Equal(before))
		require.Equal(t, rev, now)
	}
	stored, _, err := Commit(ctx, again, now, tally(found, "later"))
	require.NoError(t, err)
	found, _, err = reopen(t, f).Load(ctx)
	require.NoError(t, err)
	require.True(t, found.Equal(stored))
	require.Equal(t, ledgerFiles, files(t, filepath.Dir(f.path)))
}

// TestFileUnknownThenAgain sends a change again whose outcome was not known.
func TestFileUnknownThenAgain(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	s, rev, err := Commit(ctx, f, "", s)
	require.NoError(t, err)
	next := tally(s, "next").stamped()
	f.disk.at = func(step string) error {
		if step == "sync folder of layer.secrets.age" {
			return syscall.EIO
		}
		return nil
	}
	_, err = f.CompareAndSwap(ctx, rev, next)
	require.ErrorIs(t, err, ErrUnknown)
	_, err = f.CompareAndSwap(ctx, rev, next)
	require.ErrorIs(t, err, ErrUnknown, "the disk still does not confirm it")
	f.disk.at = nil
	now, err := f.CompareAndSwap(ctx, rev, next)
	require.NoError(t, err)
	found, there, err := f.Load(ctx)
	require.NoError(t, err)
	require.Equal(t, there, now)
	require.True(t, found.Equal(next))
}

// TestFileAnsweredLate is a network file system that carries a rename out and says that it failed.
func TestFileAnsweredLate(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	f.disk.at = func(step string) error {
		if step != "rename layer.secrets.age" {
			return nil
		}
		temps, err := filepath.Glob(filepath.Join(filepath.Dir(f.path), tempPrefix(f.path)+"*"))
		if len(temps) != 1 {
			return errors.Join(err, errors.New("no single temporary file"))
		}
		return errors.Join(os.Rename(temps[0], f.path), syscall.EIO)
	}
	stored, rev, err := Commit(ctx, f, "", s)
	require.NoError(t, err)
	found, now, err := f.Load(ctx)
	require.NoError(t, err)
	require.True(t, found.Equal(stored))
	require.Equal(t, rev, now)
}

// TestFileSweepsOnlyItsOwn leaves alone what resembles a temporary file.
func TestFileSweepsOnlyItsOwn(t *testing.T) {
	f, s := newFile(t)
	dir := filepath.Dir(f.path)
	foreign := []string{".layer.secrets.age.tmp-0123456789abcdeg", ".layer.secrets.age.tmp-01", ".other.age.tmp-0123456789abcdef", "layer.secrets.age.tmp-0123456789abcdef"}
	ours := []string{".layer.secrets.age.tmp-0123456789abcdef", ".layer.seen.tmp-fedcba9876543210"}
	for _, name := range append(slices.Clone(foreign), ours...) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".layer.seen.tmp-0000000000000000"), 0o700))
	_, _, err := Commit(context.Background(), f, "", s)
	require.NoError(t, err)
	left := files(t, dir)
	require.Subset(t, left, append(slices.Clone(foreign), ".layer.seen.tmp-0000000000000000"))
	for _, name := range ours {
		require.NotContains(t, left, name)
	}
}
