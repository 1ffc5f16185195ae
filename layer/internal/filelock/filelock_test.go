package filelock

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const precious = "AGE-SECRET-KEY-MADE-UP, which no lock may overwrite\n"

// Another user of the folder may put any file in the lock's place. Only the
// lock's own file may change.
func TestLockChangesNoOtherFile(t *testing.T) {
	for name, tc := range map[string]struct {
		put  func(lock, other string) error
		says string
	}{
		"a link": {func(lock, other string) error { return os.Symlink(other, lock) }, "is a link, or"},
		"a link to nothing": {func(lock, other string) error { return os.Symlink(other+".missing", lock) },
			"is a link, or"},
		"a hard link": {func(lock, other string) error { return os.Link(other, lock) }, "it is a hard link"},
		"the other file itself": {func(lock, other string) error { return os.Rename(other, lock) },
			"has other content than a lock"},
		"another program's lock": {func(lock, _ string) error {
			return os.WriteFile(lock,
				[]byte("# This file is made by cargo"), 0o600)
		}, "has other content"},
		"a pipe":   {func(lock, _ string) error { return syscall.Mkfifo(lock, 0o600) }, "no regular file"},
		"a folder": {func(lock, _ string) error { return os.Mkdir(lock, 0o700) }, "directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lock, other := filepath.Join(dir, "a.lock"), filepath.Join(dir, "layer.identity")
			require.NoError(t, os.WriteFile(other, []byte(precious), 0o600))
			require.NoError(t, tc.put(lock, other))
			there := other
			if _, err := os.Stat(other); err != nil {
				there = lock
			}
			before := contents(t, dir)
			l, err := Try(lock, "")
			require.Nil(t, l)
			require.ErrorContains(t, err, tc.says)
			require.ErrorContains(t, err, lock)
			require.Equal(t, before, contents(t, dir))
			text, err := os.ReadFile(there)
			require.NoError(t, err)
			require.Equal(t, precious, string(text))
		})
	}
}

// contents returns the contents of all regular files of a folder, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		found[e.Name()] = e.Type().String()
		if e.Type().IsRegular() {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			found[e.Name()] = string(text)
		}
	}
	return found
}

// A link may take the lock's place between opening and writing. The lock is
// then lost, and only the locked descriptor is written, not the file behind the
// link.
func TestLockWritesThroughItsDescriptor(t *testing.T) {
	for name, put := range map[string]func(old, new string) error{"link": os.Symlink, "hard link": os.Link} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, other := filepath.Join(dir, "a.lock"), filepath.Join(dir, "layer.identity")
			require.NoError(t, os.WriteFile(other, []byte(precious), 0o600))
			l, err := open(path, "")
			require.NoError(t, err)
			require.NoError(t, os.Remove(path))
			require.NoError(t, put(other, path))
			l.sign()
			require.Error(t, l.Check())
			require.NoError(t, l.Unlock())
			text, err := os.ReadFile(other)
			require.NoError(t, err)
			require.Equal(t, precious, string(text))
		})
	}
}

// Two processes swap lock and link as fast as they can: the other file never
// changes.
func TestLockUnderSwapsChangesNoOtherFile(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "a.lock"), filepath.Join(dir, "layer.identity")
	require.NoError(t, os.WriteFile(other, []byte(precious), 0o600))
	ended, swapped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(swapped)
		for {
			select {
			case <-ended:
				return
			default:
			}
			for _, put := range []func(old, new string) error{os.Symlink, os.Link} {
				_ = os.Remove(path)
				_ = put(other, path)
			}
			_ = os.Remove(path)
		}
	}()
	for range 2000 {
		if l, _ := Try(path, ""); l != nil {
			_ = l.Unlock()
		}
	}
	close(ended)
	<-swapped
	text, err := os.ReadFile(other)
	require.NoError(t, err)
	require.Equal(t, precious, string(text))
}

// Another user of the folder may write any holder into the file.
func TestHolderShowsNoControlCharacters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.lock")
	for _, left := range []string{"process 7 on \"\\x1b[2J\" since 2026", "process 7 on \"host\" since \x1b[2J",
		"process 7 on \"a\\nb\" since x"} {
		require.NoError(t, os.WriteFile(path, []byte(left), 0o600))
		require.Equal(t, "it is not known which (check which process has "+path+" open)", holder(path))
	}
}

// A run that was killed while it wrote its name leaves a part of the line, or
// an empty file.
func TestLockOfKilledRunIsTaken(t *testing.T) {
	for _, left := range []string{"", "proc", "process ", "process 7 on \"host\" since 2026-01-01T00:00:00Z\n"} {
		path := filepath.Join(t.TempDir(), "a.lock")
		require.NoError(t, os.WriteFile(path, []byte(left), 0o600))
		l, err := Try(path, "")
		require.NoError(t, err)
		require.NotNil(t, l)
		second, err := Try(path, "")
		require.NoError(t, err)
		require.Nil(t, second, "it is taken")
		require.Contains(t, holder(path), fmt.Sprintf("process %d on ", os.Getpid()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = Take(ctx, path, "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, l.Unlock())
		require.ErrorIs(t, l.Unlock(), os.ErrClosed)
		again, err := Try(path, "")
		require.NoError(t, err)
		require.NotNil(t, again)
		require.NoError(t, again.Unlock())
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), "\n"))
	}
}

// TestUnlockEndsTheLockOfADuplicate: a child process that is being started has a
// duplicate of the lock's descriptor until it runs its program.
func TestUnlockEndsTheLockOfADuplicate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := Try(path, path)
	require.NoError(t, err)
	require.NotNil(t, lock)
	duplicate, err := syscall.Dup(int(lock.file.Fd()))
	require.NoError(t, err)
	defer func() { _ = syscall.Close(duplicate) }()
	require.NoError(t, lock.Unlock())
	next, err := Try(path, path)
	require.NoError(t, err)
	require.NotNil(t, next, "the lock is free")
	require.NoError(t, next.Unlock())
	require.ErrorIs(t, lock.Unlock(), os.ErrClosed)
}
