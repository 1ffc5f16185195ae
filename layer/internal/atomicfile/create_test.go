package atomicfile

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	createVariable = "ATOMICFILE_TEST_CREATE"
	stepVariable   = "ATOMICFILE_TEST_STEP"
)

// TestCreateChild is the process that is killed before one step of Create.
// Without its variable it does nothing.
func TestCreateChild(t *testing.T) {
	path := os.Getenv(createVariable)
	if path == "" {
		return
	}
	_, err := CreateStepwise(path, []byte("whole"), func(what string) error {
		if what == os.Getenv(stepVariable) {
			require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
			select {}
		}
		return nil
	})
	require.NoError(t, err)
}

var createSteps = []string{"create a", "write a", "sync a", "close a", "link a", "remove temporary a", "sync folder"}

func TestStepsOfCreate(t *testing.T) {
	var steps []string
	path := filepath.Join(t.TempDir(), "a")
	written, err := CreateStepwise(path, []byte("whole"), func(what string) error {
		steps = append(steps, what)
		return nil
	})
	require.NoError(t, err)
	require.True(t, written)
	require.Equal(t, createSteps, steps)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	require.EqualValues(t, 1, linksTo(info))
}

// After a kill before any step, the file is whole or missing. The temporary
// file has a name that git ignores, and both a reader and the next writer
// remove it.
func TestKilledCreateLeavesWholeFileOrNone(t *testing.T) {
	for i, step := range createSteps {
		for _, next := range []string{"reader", "writer"} {
			t.Run(step+", then a "+next, func(t *testing.T) {
				f := folder(t)
				path := filepath.Join(f.Root.Name(), "a")
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCreateChild$")
				child.Env = append(os.Environ(), createVariable+"="+path, stepVariable+"="+step)
				out, err := child.CombinedOutput()
				status, ok := child.ProcessState.Sys().(syscall.WaitStatus)
				require.True(t, ok && status.Signaled(), "%v: %s", err, out)
				there := i > 4 // index of the step "link"
				for _, name := range names(t, f) {
					matched, err := filepath.Match(".layer-*.tmp", name)
					require.NoError(t, err)
					require.True(t, matched || name == "a" && there, name)
				}
				if there {
					require.Equal(t, "whole", content(t, f, "a"))
				}
				if next == "reader" {
					SweepDeadOf(path)
					require.Equal(t, there, len(names(t, f)) == 1)
				}
				written, err := Create(path, []byte("other"))
				if there {
					require.ErrorIs(t, err, fs.ErrExist)
					require.False(t, written)
					require.Equal(t, "whole", content(t, f, "a"))
					SweepDeadOf(path)
				} else {
					require.NoError(t, err)
					require.Equal(t, "other", content(t, f, "a"))
				}
				require.Equal(t, []string{"a"}, names(t, f))
			})
		}
	}
}

// A file that appears while Create works is not overwritten, and neither is a
// link to another file.
func TestCreateNeverOverwrites(t *testing.T) {
	for name, put := range map[string]func(dir string) error{
		"a file": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "a"), []byte("theirs"),
				0o600)
		},
		"a link that leads nowhere": func(dir string) error {
			return os.Symlink(filepath.Join(dir, "b"),
				filepath.Join(dir, "a"))
		},
		"a folder": func(dir string) error { return os.Mkdir(filepath.Join(dir, "a"), 0o700) },
	} {
		for _, step := range createSteps[:5] {
			t.Run(name+" at "+step, func(t *testing.T) {
				f := folder(t)
				_, err := CreateStepwise(filepath.Join(f.Root.Name(), "a"), []byte("ours"), func(what string) error {
					if what == step {
						return put(f.Root.Name())
					}
					return nil
				})
				require.ErrorIs(t, err, fs.ErrExist)
				require.Equal(t, []string{"a"}, names(t, f))
			})
		}
	}
}

func TestSweepDeadSparesWriterAndUnknown(t *testing.T) {
	f := folder(t)
	temp, err := f.Prepare("a", []byte("x"), Access{})
	require.NoError(t, err)
	dead := tempName("a")
	require.NoError(t, f.Root.WriteFile(dead, []byte("half"), 0o600))
	f.SweepDead(Of("a"))
	require.Equal(t, []string{temp.name}, names(t, f))
	f.SweepDead(Of("b"))
	temp.release()
	f.SweepDead(Of("b"))
	require.Equal(t, []string{temp.name}, names(t, f))
	f.SweepDead(Of("a"))
	require.Empty(t, names(t, f))
}

// A file with the longest possible name has temporary files too, and they are
// swept.
func TestLongestNameIsReplacedAndSwept(t *testing.T) {
	f := folder(t)
	name := strings.Repeat("n", 255)
	_, err := f.Replace(name, []byte("text"), Access{})
	require.NoError(t, err)
	require.Equal(t, "text", content(t, f, name))
	require.NoError(t, f.Root.WriteFile(tempName(name), nil, 0o600))
	f.SweepDead(Of(name[:254]))
	require.Len(t, names(t, f), 2)
	f.SweepDead(Of(name))
	require.Equal(t, []string{name}, names(t, f))
}
