package dir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

const (
	oldText = "Qz7kWv2mXt9RbLp4nHc8sJ1d"
	newText = "hB5rNx8wKq3vMz6tYc1pLd9sFg6yTe3u\n"
	oldNote = "sv1 gen=1 cur=v1 fp=0123456789abcdef0123456789abcdef by=0123456789abcdef"
	newNote = "sv1 gen=2 cur=v2 fp=fedcba9876543210fedcba9876543210 by=fedcba9876543210"
)

var (
	stepsAddress = secret.Address{Namespace: "auth", Name: "session-key"}
	stepsBinding = stepsAddress.Binding()
	oldItem      = driver.Item{Name: stepsBinding, Text: driver.NewValue(oldText), Note: oldNote}
	newItem      = driver.Item{Name: stepsBinding, Text: driver.NewValue(newText), Note: newNote}
)

// stage is the progress of a publish, as readers and Inspect see it.
type stage int

const (
	before stage = iota
	valueOnly
	done
)

// stageOf reads a directory like a program and like the engine. The test fails if
// the value or the note is neither completely old nor completely new.
func stageOf(t *testing.T, dir string, replaced bool) stage {
	t.Helper()
	text, err := secret.Dir(dir).Get(t.Context(), stepsAddress)
	found, inspectErr := New(dir).Inspect(t.Context(), []string{stepsBinding})
	require.NoError(t, inspectErr)
	p, exists := found[stepsBinding]
	require.Equal(t, err == nil, exists)
	standing := "" // the note that Inspect finds with the new value before its own note is written
	if replaced {
		standing = oldNote
		require.NoError(t, err)
	}
	switch {
	case !exists:
		require.ErrorIs(t, err, secret.ErrNotFound)
		return before
	case text == oldText && replaced:
		require.Equal(t, driver.Published{Note: oldNote, Modified: New(dir).ModifiedOf(oldItem.Text)}, p)
		return before
	}
	require.True(t, text == newText, "neither the old text nor the new one")
	require.Equal(t, New(dir).ModifiedOf(newItem.Text), p.Modified)
	if p.Note == standing {
		return valueOnly
	}
	require.Equal(t, newNote, p.Note)
	return done
}

// place makes the state before a publish: a missing directory, or one with the old
// value and the files of a crash.
func place(t *testing.T, replaced bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "secrets")
	if replaced {
		require.Nil(t, New(dir).Publish(t.Context(), []driver.Item{oldItem}))
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".layer-"+stepsBinding+".0123456789abcdef.tmp"),
			[]byte("half a val"), 0o600))
	}
	return dir
}

func temporary(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, ".layer-*"))
	require.NoError(t, err)
	return found
}

var (
	creatingNew  = slices.Concat([]string{"make folder", "sync folder"}, batchSteps(stepsBinding))
	replacingOld = slices.Concat([]string{"sweep " + stepsBinding}, batchSteps(stepsBinding))
)

// batchSteps returns the steps of a batch with these names.
func batchSteps(names ...string) (steps []string) {
	for _, name := range names {
		for _, file := range []string{name, noteFile(name)} {
			steps = append(steps, "create "+file, "write "+file)
		}
	}
	for _, name := range names {
		steps = append(steps, "sync "+name, "close "+name)
	}
	for _, name := range names {
		steps = append(steps, "sync "+noteFile(name), "close "+noteFile(name))
	}
	for _, name := range names {
		steps = append(steps, "rename "+name)
	}
	steps = append(steps, "sync folder")
	for _, name := range names {
		steps = append(steps, "rename "+noteFile(name))
	}
	return append(steps, "sync folder")
}

func stepsOf(replaced bool) []string {
	if replaced {
		return replacingOld
	}
	return creatingNew
}

// The other tests depend on this order: a file is synced before it is renamed, and
// its name is synced before the note is written.
func TestDirSteps(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		dir, steps := place(t, replaced), []string{}
		p := New(dir)
		p.step = func(what string) error { steps = append(steps, what); return nil }
		require.Nil(t, p.Publish(t.Context(), []driver.Item{newItem}))
		require.Equal(t, stepsOf(replaced), steps)
		require.Equal(t, done, stageOf(t, dir, replaced))

		steps = nil
		require.Nil(t, p.Remove(t.Context(), []string{stepsBinding}))
		require.Equal(t, []string{"remove " + stepsBinding, "sync folder", "remove " +
			noteFile(stepsBinding), "sync folder"}, steps)
	}
}

// The process is killed before each step. The next run finishes the work and
// removes the temporary files.
func TestDirKilledAtEachStep(t *testing.T) {
	const dirVar, stepVar = "ROTATE_TEST_DIR", "ROTATE_TEST_STEP"
	if dir := os.Getenv(dirVar); dir != "" {
		left, _ := strconv.Atoi(os.Getenv(stepVar))
		p := New(dir)
		p.step = func(string) error {
			if left--; left < 0 {
				self, err := os.FindProcess(os.Getpid())
				if err == nil {
					err = self.Kill()
				}
				if err == nil {
					select {}
				}
			}
			return nil
		}
		require.Nil(t, p.Publish(t.Context(), []driver.Item{newItem}))
		return
	}
	for _, replaced := range []bool{false, true} {
		last, seen := before, map[stage]bool{}
		for step := range len(stepsOf(replaced)) + 1 {
			dir := place(t, replaced)
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDirKilledAtEachStep$")
			child.Env = append(os.Environ(), dirVar+"="+dir, stepVar+"="+strconv.Itoa(step))
			out, err := child.CombinedOutput()
			if step == len(stepsOf(replaced)) {
				require.NoError(t, err, string(out))
			} else {
				require.Error(t, err, "it was not killed at step %d", step)
				require.Empty(t, string(out))
			}
			now := stageOf(t, dir, replaced)
			require.GreaterOrEqual(t, now, last, "step %d", step)
			last, seen[now] = now, true

			require.Nil(t, New(dir).Publish(t.Context(), []driver.Item{newItem}))
			require.Equal(t, done, stageOf(t, dir, replaced))
			require.Empty(t, temporary(t, dir), "step %d", step)
		}
		require.Len(t, seen, 3)
	}
}

// Each step fails in turn. The error reports whether anything may have been
// applied, and no temporary file is left.
func TestDirFailingAtEachStep(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		for fail, what := range stepsOf(replaced) {
			t.Run(strconv.FormatBool(replaced)+" "+strconv.Itoa(fail)+" "+what, func(t *testing.T) {
				dir, n := place(t, replaced), -1
				p := New(dir)
				p.step = func(string) error {
					if n++; n == fail {
						return &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
					}
					return nil
				}
				errs := p.Publish(t.Context(), []driver.Item{newItem})
				require.Len(t, errs, 1)
				require.ErrorIs(t, errs[0], syscall.ENOSPC)
				require.ErrorContains(t, errs[0], dir)
				require.ErrorContains(t, errs[0], "free some space and run again")
				require.Empty(t, redacttest.Check(errs[0], oldText, newText))

				stage := before
				if fail > slices.Index(stepsOf(replaced), "rename "+stepsBinding) {
					stage = valueOnly
				}
				if fail == len(stepsOf(replaced))-1 {
					stage = done
				}
				require.Equal(t, stage, stageOf(t, dir, replaced))
				require.Equal(t, stage == before, errors.Is(errs[0], driver.ErrNotApplied))
				if what != "sweep "+stepsBinding {
					require.Empty(t, temporary(t, dir))
				}
			})
		}
	}
}

// A network share may apply a rename and lose the answer.
func TestDirRenameWithoutAnAnswer(t *testing.T) {
	dir := place(t, true)
	p := New(dir)
	p.step = func(what string) error {
		if what != "rename "+stepsBinding {
			return nil
		}
		for _, temp := range temporary(t, dir) {
			if strings.HasPrefix(filepath.Base(temp), ".layer-"+stepsBinding+".") {
				require.NoError(t, os.Rename(temp, filepath.Join(dir, stepsBinding)))
			}
		}
		return syscall.EIO
	}
	errs := p.Publish(t.Context(), []driver.Item{newItem})
	require.ErrorIs(t, errs[0], syscall.EIO)
	require.NotErrorIs(t, errs[0], driver.ErrNotApplied)
	require.Equal(t, valueOnly, stageOf(t, dir, true))
}

func TestDirFolderThatCannotBeSynced(t *testing.T) {
	for _, err := range []error{syscall.EINVAL, syscall.ENOTSUP} {
		dir := place(t, false)
		p := New(dir)
		p.step = func(what string) error {
			if what == "sync folder" {
				return err
			}
			return nil
		}
		require.Nil(t, p.Publish(t.Context(), []driver.Item{newItem}))
	}
}

// An item that was begun is finished, so that no value is left without its note.
// The other items are never begun.
func TestDirEndOfContextMeanwhile(t *testing.T) {
	items := []driver.Item{newItem, {Name: stepsBinding + "_2", Text: driver.NewValue("x"), Note: "x"}}
	for begun, at := range []string{"sweep " + stepsBinding, "create " + stepsBinding} {
		dir := place(t, true)
		ctx, end := context.WithCancel(t.Context())
		p := New(dir)
		p.step = func(what string) error {
			if what == at {
				end()
			}
			return nil
		}
		errs := p.Publish(ctx, items)
		require.Len(t, errs, 2)
		for _, err := range errs[begun:] {
			require.ErrorIs(t, err, driver.ErrNotApplied)
			require.ErrorIs(t, err, context.Canceled)
		}
		if begun == 0 {
			require.Equal(t, before, stageOf(t, dir, true))
		} else {
			require.NoError(t, errs[0])
			require.Equal(t, done, stageOf(t, dir, true))
		}
		require.NoFileExists(t, filepath.Join(dir, items[1].Name))
	}
}

// After half of a removal the value is gone and its note is left. The secret
// counts as absent, and a second removal finishes.
func TestDirRemoveFailingAtEachStep(t *testing.T) {
	for fail := range 4 {
		dir := filepath.Join(t.TempDir(), "secrets")
		require.Nil(t, New(dir).Publish(t.Context(), []driver.Item{oldItem}))
		n := -1
		p := New(dir)
		p.step = func(string) error {
			if n++; n == fail {
				return syscall.EIO
			}
			return nil
		}
		errs := p.Remove(t.Context(), []string{stepsBinding})
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], syscall.EIO)
		found, err := New(dir).Inspect(t.Context(), []string{stepsBinding})
		require.NoError(t, err)
		require.Equal(t, fail == 0, len(found) == 1, "step %d", fail)

		require.Nil(t, New(dir).Remove(t.Context(), []string{stepsBinding}))
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries)
	}
}

// The next Inspect removes the temporary files of a killed run, also if the
// directory was never made.
func TestInspectSweeps(t *testing.T) {
	above := t.TempDir()
	dir := filepath.Join(above, "sub", "secrets")
	leave := func(in string, of ...string) (left []string) {
		for _, name := range of {
			left = append(left, filepath.Join(in, ".layer-"+name+".0123456789abcdef.tmp"))
			require.NoError(t, os.WriteFile(left[len(left)-1], []byte("half"), 0o600))
		}
		return left
	}
	look := func() {
		_, err := New(dir).Inspect(t.Context(), []string{authBinding})
		require.NoError(t, err)
	}
	left, theirs := leave(above, probe), leave(above, authBinding)
	look()
	require.NoFileExists(t, left[0])
	require.FileExists(t, theirs[0], "it is no probe, and the directory is another one")
	publish(t, New(dir), authBinding, "text", "")
	left, theirs = leave(dir, probe, authBinding, noteFile(authBinding)), leave(dir, "layer.seen")
	look()
	for _, file := range left {
		require.NoFileExists(t, file)
	}
	require.FileExists(t, theirs[0])
}
