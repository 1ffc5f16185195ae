package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// The search does not leave the file system.
func TestRootSearchEndsAtTheFileSystem(t *testing.T) {
	slow.Root(t)
	dir := folder(t, rotating)
	mounted := filepath.Join(dir, "mounted")
	require.NoError(t, os.Mkdir(mounted, 0o755))
	if err := syscall.Mount("none", mounted, "tmpfs", 0, "size=64k"); err != nil {
		slow.Lacks(t, "no file system can be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(mounted, 0) })
	sub := filepath.Join(mounted, "sub")
	require.NoError(t, os.Mkdir(sub, 0o755))
	_, stderr := layerIn(t, sub, nil, 1, "secret", "log")
	require.Contains(t, stderr, "there is no ledger layer.secrets.age")
	other := filepath.Join(dir, "sub")
	require.NoError(t, os.Mkdir(other, 0o755))
	layerIn(t, other, nil, 0, "secret", "log")
}
