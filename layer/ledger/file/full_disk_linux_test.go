package file

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/rotate"
)

// TestRootFullDiskLeavesTheLedger fills a small, real file system.
func TestRootFullDiskLeavesTheLedger(t *testing.T) {
	slow.Root(t)
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=256k"); err != nil {
		slow.Lacks(t, "no file system can be mounted: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	ctx := context.Background()
	ids, to := keyed(t)
	f, err := Open(filepath.Join(dir, "layer.secrets.age"), Options{Identities: ids})
	require.NoError(t, err)
	s, rev, err := rotate.Commit(ctx, f, "", rotate.NewState(rotate.Settings{Recipients: []string{to}}))
	require.NoError(t, err)
	full := false
	for range 40 {
		more := s.WithLog(rotate.LogEntry{By: strings.Repeat("x", 8<<10)})
		stored, now, err := rotate.Commit(ctx, f, rev, more)
		if err == nil {
			require.False(t, full)
			s, rev = stored, now
			continue
		}
		full = true
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorContains(t, err, "no space left on device. The ledger is as it was; free some space")
		got, there, err := f.Load(ctx)
		require.NoError(t, err)
		require.True(t, got.Equal(s))
		require.Equal(t, rev, there)
		require.Equal(t, ledgerFiles, files(t, dir))
	}
	require.True(t, full)
}
