//go:build unix

package dir

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// Opening a named pipe waits for a writer, possibly for ever.
func TestDirDoesNotHangOnAPipe(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, authBinding), 0o600))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "."+authBinding+".note"), 0o600))
	p := New(dir)
	found, ok := inspect(t, p, authBinding)
	require.True(t, ok)
	require.Empty(t, found.Note)
	errs := p.Publish(t.Context(), []driver.Item{{Name: authBinding, Text: driver.NewValue("x"), Note: "n"}})
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], driver.ErrNotApplied)
}

// The disk is full in the middle of a file. A limit of the file size simulates
// that, in a separate process.
func TestDirWithoutRoom(t *testing.T) {
	const dirVar, marker = "ROTATE_TEST_FULL_DIR", "Qz7kWv2mXt9RbLp4nHc8"
	if dir := os.Getenv(dirVar); dir != "" {
		signal.Ignore(syscall.SIGXFSZ)
		var limit syscall.Rlimit
		require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: limit.Max}))
		errs := New(dir).Publish(t.Context(), []driver.Item{
			{Name: authBinding, Text: driver.NewValue(strings.Repeat(marker, 1000)), Note: "new"},
			{Name: "LAYERON_SECRET_SMALL_ENOUGH", Text: driver.NewValue("small"), Note: "new"},
		})
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
		require.Len(t, errs, 2)
		require.NoError(t, errs[1])
		require.ErrorIs(t, errs[0], syscall.EFBIG)
		require.ErrorIs(t, errs[0], driver.ErrNotApplied)
		require.ErrorContains(t, errs[0], "free some space and run again")
		require.Empty(t, redacttest.Check(errs[0], marker))
		return
	}
	dir := t.TempDir()
	publish(t, New(dir), authBinding, "old", "old note")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDirWithoutRoom$")
	child.Env = append(os.Environ(), dirVar+"="+dir)
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	got, err := secret.Dir(dir).Get(t.Context(), authKey)
	require.NoError(t, err)
	require.Equal(t, "old", got)
	found, _ := inspect(t, New(dir), authBinding)
	require.Equal(t, "old note", found.Note)
	require.Len(t, dirFiles(t, dir), 4, "two values, two notes, nothing half written")
}
