package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/rotate"
)

// tally returns a state whose project is the count of changes.
func tally(s rotate.State, n string) rotate.State {
	set := s.Settings()
	set.Project = n
	return s.WithSettings(set)
}

func reopen(t testing.TB, f *Ledger) *Ledger {
	t.Helper()
	again, err := Open(f.path, Options{Identities: f.ids})
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

var ledgerFiles = []string{"layer.secrets.age", "layer.secrets.age.lock"}

var changeSteps = []string{
	"create layer.secrets.age", "write layer.secrets.age", "sync layer.secrets.age", "close layer.secrets.age",
	"rename layer.secrets.age", "sync folder",
}

func TestStepsOfAChange(t *testing.T) {
	f, s := newFile(t)
	var steps []string
	f.step = func(step string) error {
		steps = append(steps, step)
		return nil
	}
	_, _, err := rotate.Commit(context.Background(), f, "", s)
	require.NoError(t, err)
	require.Equal(t, changeSteps, steps)
}

// TestChangeThatFailsAtAnyStepLeavesOneWholeState lets each step of a change fail,
// alone or with all later steps, as in a crash. The file then has the old or the
// new state, as the change reported, and the next change cleans up.
func TestChangeThatFailsAtAnyStepLeavesOneWholeState(t *testing.T) {
	for _, crash := range []bool{false, true} {
		for _, create := range []bool{false, true} {
			for i, failing := range changeSteps {
				name := map[bool]string{false: "fails", true: "crash"}[crash] + map[bool]string{false: "",
					true: ", creation"}[create]
				t.Run(failing+" "+name, func(t *testing.T) { failAt(t, i, crash, create) })
			}
		}
	}
}

func failAt(t *testing.T, i int, crash, create bool) {
	ctx := context.Background()
	f, s := newFile(t)
	before, rev := rotate.State{}, rotate.Revision("")
	if !create {
		var err error
		before, rev, err = rotate.Commit(ctx, f, "", tally(s, "before"))
		require.NoError(t, err)
		s = before
	}
	n := 0
	f.step = func(string) error {
		n++
		if n == i+1 || crash && n > i {
			return syscall.ENOSPC
		}
		return nil
	}
	_, _, err := rotate.Commit(ctx, f, rev, tally(s, "after"))
	require.Greater(t, n, i, "the step never came")

	again := reopen(t, f)
	found, now, loadErr := again.Load(ctx)
	renamed := i > slices.Index(changeSteps, "rename layer.secrets.age")
	confirmed := i > slices.Index(changeSteps, "sync folder")
	switch {
	case confirmed:
		require.NoError(t, err)
	case renamed:
		require.ErrorIs(t, err, rotate.ErrUnknown)
	default:
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NotErrorIs(t, err, rotate.ErrUnknown)
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
		require.ErrorIs(t, loadErr, rotate.ErrNotFound)
		found = s
	default:
		require.NoError(t, loadErr)
		require.True(t, found.Equal(before))
		require.Equal(t, rev, now)
	}
	stored, _, err := rotate.Commit(ctx, again, now, tally(found, "later"))
	require.NoError(t, err)
	found, _, err = reopen(t, f).Load(ctx)
	require.NoError(t, err)
	require.True(t, found.Equal(stored))
	require.Equal(t, ledgerFiles, files(t, filepath.Dir(f.path)))
}

// TestUnknownThenAgain repeats a change whose outcome was unknown.
func TestUnknownThenAgain(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	s, rev, err := rotate.Commit(ctx, f, "", s)
	require.NoError(t, err)
	next := stamped(t, tally(s, "next"), 1)
	f.step = func(step string) error {
		if step == "sync folder" {
			return syscall.EIO
		}
		return nil
	}
	_, err = f.CompareAndSwap(ctx, rev, next)
	require.ErrorIs(t, err, rotate.ErrUnknown)
	_, err = f.CompareAndSwap(ctx, rev, next)
	require.ErrorIs(t, err, rotate.ErrUnknown, "the disk still does not confirm it")
	f.step = nil
	now, err := f.CompareAndSwap(ctx, rev, next)
	require.NoError(t, err)
	found, there, err := f.Load(ctx)
	require.NoError(t, err)
	require.Equal(t, there, now)
	require.True(t, found.Equal(next))
}

// TestAnsweredLate simulates a network file system that applies a rename and
// reports that it failed.
func TestAnsweredLate(t *testing.T) {
	ctx := context.Background()
	f, s := newFile(t)
	f.step = func(step string) error {
		if step != "rename layer.secrets.age" {
			return nil
		}
		temps, err := filepath.Glob(filepath.Join(filepath.Dir(f.path), ".layer-*.tmp"))
		if len(temps) != 1 {
			return errors.Join(err, errors.New("no single temporary file"))
		}
		return errors.Join(os.Rename(temps[0], f.path), syscall.EIO)
	}
	stored, rev, err := rotate.Commit(ctx, f, "", s)
	require.NoError(t, err)
	found, now, err := f.Load(ctx)
	require.NoError(t, err)
	require.True(t, found.Equal(stored))
	require.Equal(t, rev, now)
}

// TestSweepsOnlyItsOwn: a file whose name resembles a temporary file of this
// ledger is not removed.
func TestSweepsOnlyItsOwn(t *testing.T) {
	f, s := newFile(t)
	dir := filepath.Dir(f.path)
	foreign := []string{".layer-layer.secrets.age.0123456789abcdeg.tmp", ".layer-layer.secrets.age.01.tmp",
		".layer-other.age.0123456789abcdef.tmp",
		".layer-layer.seen.0123456789abcdef.tmp", "layer-layer.secrets.age.0123456789abcdef.tmp"}
	const ours = ".layer-layer.secrets.age.0123456789abcdef.tmp"
	for _, name := range append(slices.Clone(foreign), ours) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600))
	}
	folder := ".layer-layer.secrets.age.0000000000000000.tmp"
	require.NoError(t, os.Mkdir(filepath.Join(dir, folder), 0o700))
	_, _, err := rotate.Commit(context.Background(), f, "", s)
	require.NoError(t, err)
	left := files(t, dir)
	require.Subset(t, left, append(slices.Clone(foreign), folder))
	require.NotContains(t, left, ours)
}

// Temporary files of a killed change are gone after the next read, under any name
// of a ledger. The file of a writer is spared.
func TestReaderSweeps(t *testing.T) {
	for _, name := range []string{"layer.secrets.age", "a[1] #!.age", "a\nb", strings.Repeat("n", 250)} {
		f, s := newFile(t)
		f, err := Open(filepath.Join(filepath.Dir(f.path), name), Options{Identities: f.ids})
		require.NoError(t, err)
		s, rev, err := rotate.Commit(context.Background(), f, "", s)
		require.NoError(t, err)
		var held string
		f.step = func(step string) error {
			if !strings.HasPrefix(step, "rename ") {
				return nil
			}
			temps, err := filepath.Glob(filepath.Join(filepath.Dir(f.path), ".layer-*.tmp"))
			require.NoError(t, err)
			require.Len(t, temps, 1)
			held = temps[0]
			dead := held[:len(held)-len("0000.tmp")] + "0000.tmp"
			require.NotEqual(t, held, dead)
			require.NoError(t, os.WriteFile(dead, []byte("half"), 0o600))
			_, _, err = reopen(t, f).Load(context.Background())
			require.NoError(t, err)
			require.NoFileExists(t, dead)
			require.FileExists(t, held)
			return nil
		}
		_, _, err = rotate.Commit(context.Background(), f, rev, s)
		require.NoError(t, err)
		require.NotEmpty(t, held)
		require.Equal(t, []string{name, name + ".lock"}, files(t, filepath.Dir(f.path)))
	}
}
