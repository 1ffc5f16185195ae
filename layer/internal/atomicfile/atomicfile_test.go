package atomicfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// folder opens a new folder, which users without privileges may enter.
func folder(t *testing.T) Folder {
	t.Helper()
	path := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o755))
	f, err := Open(path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Root.Close() })
	return f
}

func content(t *testing.T, f Folder, name string) string {
	t.Helper()
	data, err := f.Root.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

func names(t *testing.T, f Folder) (list []string) {
	t.Helper()
	entries, err := fs.ReadDir(f.Root.FS(), ".")
	require.NoError(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func all(string) bool { return true }

// A sweep may run at any moment, also between the creation of a temporary file
// and its lock.
func TestReplaceSucceedsUnderSweeps(t *testing.T) {
	f := folder(t)
	ended := make(chan struct{})
	var sweeps sync.WaitGroup
	for range 2 {
		sweeps.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					if err := f.Sweep(all); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for range 50 {
		if _, err := f.Put("a", []byte("text"), Access{}); err != nil {
			t.Error(err)
			break
		}
	}
	close(ended)
	sweeps.Wait()
	require.Equal(t, []string{"a"}, names(t, f))
}

func TestSweepSparesTempUntilItsEnd(t *testing.T) {
	f := folder(t)
	for _, end := range []func(*Temp){
		func(temp *Temp) { f.Discard(temp) },
		func(temp *Temp) { _, err := f.Commit(temp); require.NoError(t, err) },
		func(temp *Temp) { temp.release() }, // as the system does when a process ends
	} {
		temp, err := f.Prepare("a", []byte("x"), Access{})
		require.NoError(t, err)
		require.NoError(t, f.Sweep(all))
		require.Contains(t, names(t, f), temp.name)
		end(temp)
		require.NoError(t, f.Sweep(all))
		require.NotContains(t, names(t, f), temp.name)
	}
}

// removeTemps sweeps as a version without locks does.
func removeTemps(t *testing.T, f Folder) {
	temps, err := filepath.Glob(filepath.Join(f.Root.Name(), ".layer-*.tmp"))
	require.NoError(t, err)
	require.NotEmpty(t, temps)
	for _, temp := range temps {
		require.NoError(t, os.Remove(temp))
	}
}

func TestReplaceWritesSweptTempAgain(t *testing.T) {
	for _, at := range []string{"write a", "sync a", "close a", "rename a"} {
		for _, before := range []string{"", "old"} {
			f := folder(t)
			if before != "" {
				require.NoError(t, f.Root.WriteFile("a", []byte(before), 0o600))
			}
			swept := 0
			f.Step = func(what string) error {
				if what == at && swept < attempts-1 {
					swept++
					removeTemps(t, f)
				}
				return nil
			}
			renamed, err := f.Replace("a", []byte("new"), Access{})
			require.NoError(t, err)
			require.True(t, renamed)
			require.Equal(t, attempts-1, swept)
			require.Equal(t, "new", content(t, f, "a"))
			require.Equal(t, []string{"a"}, names(t, f))
		}
	}
}

func TestReplaceGivesUpOnEndlessSweeps(t *testing.T) {
	f := folder(t)
	require.NoError(t, f.Root.WriteFile("a", []byte("old"), 0o600))
	swept := 0
	f.Step = func(what string) error {
		if what == "rename a" {
			swept++
			removeTemps(t, f)
		}
		return nil
	}
	renamed, err := f.Replace("a", []byte("new"), Access{})
	require.ErrorIs(t, err, ErrSwept)
	require.False(t, renamed, "it is certain that the file was not replaced")
	require.Equal(t, attempts, swept)
	require.Equal(t, "old", content(t, f, "a"))
}

// A network file system that sends a rename twice answers the second request.
func TestRenameSentTwiceIsCarriedOut(t *testing.T) {
	for _, answer := range []error{syscall.ENOENT, nil} {
		f := folder(t)
		require.NoError(t, f.Root.WriteFile("a", []byte("old"), 0o600))
		f.Step = func(what string) error {
			if what == "rename a" {
				temps, err := filepath.Glob(filepath.Join(f.Root.Name(), ".layer-*.tmp"))
				require.NoError(t, err)
				require.NoError(t, os.Rename(temps[0], filepath.Join(f.Root.Name(), "a")))
				return answer
			}
			return nil
		}
		renamed, err := f.Replace("a", []byte("new"), Access{})
		require.NoError(t, err)
		require.True(t, renamed)
		require.Equal(t, "new", content(t, f, "a"))
	}
}

func TestReplaceInRemovedFolder(t *testing.T) {
	f := folder(t)
	f.Step = func(what string) error {
		if what == "rename a" {
			removeTemps(t, f)
			require.NoError(t, os.Remove(f.Root.Name()))
		}
		return nil
	}
	renamed, err := f.Replace("a", []byte("new"), Access{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.False(t, renamed)
}

// Sweep also removes temporary files of another user, which cannot be opened.
func TestSweepRemovesUnreadableTemp(t *testing.T) {
	f := folder(t)
	name := tempName("a")
	require.NoError(t, f.Root.WriteFile(name, nil, 0))
	require.NoError(t, f.Sweep(all))
	require.Empty(t, names(t, f))
	require.True(t, strings.HasPrefix(name, ".layer-a."))
}
