//go:build unix

package secret_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// Opening a named pipe waits for a writer, and there may never be one.
func TestDirDoesNotHangOnAPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, authBinding), 0o600); err != nil {
		slow.Lacks(t, "no named pipes here: %v", err)
	}
	requireNoRegularFile(t, dir)

	linked := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(linked, "pipe"), 0o600))
	link(t, "pipe", filepath.Join(linked, authBinding))
	requireNoRegularFile(t, linked)
}

func TestDirRefusesASocket(t *testing.T) {
	// Not t.TempDir: a socket's path may have only about 100 characters.
	dir, err := os.MkdirTemp("", "")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, authBinding))
	if err != nil {
		slow.Lacks(t, "no sockets here: %v", err)
	}
	defer l.Close()
	requireNoRegularFile(t, dir)
}

func requireNoRegularFile(t *testing.T, dir string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := secret.Dir(dir).Get(context.Background(), authKey)
		done <- err
	}()
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case err := <-done:
		require.ErrorIs(t, err, secret.ErrInvalid)
		require.NotErrorIs(t, err, secret.ErrNotFound)
		require.ErrorContains(t, err, "file "+filepath.Join(dir, authBinding)+" is no regular file")
	case <-timer.C:
		t.Fatal("Get has not come back")
	}
}
