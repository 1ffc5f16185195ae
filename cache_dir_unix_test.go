//go:build unix

package secret_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// TestRootDirCacheRefusesAnotherUsersDirectory: that user could put entries
// there.
func TestRootDirCacheRefusesAnotherUsersDirectory(t *testing.T) {
	slow.Root(t)
	path := filepath.Join(t.TempDir(), "cache")
	require.NoError(t, os.Mkdir(path, 0o700))
	require.NoError(t, os.Chown(path, 12345, 12345))
	_, err := secret.DirCache(path).Get(context.Background(), keyAddr)
	require.ErrorContains(t, err, "belongs to another user")
	require.ErrorContains(t, secret.DirCache(path).Put(context.Background(), keyAddr, "x"), "belongs to another user")
	require.Empty(t, cacheFiles(t, path))
}

// TestDirCacheDoesNotWaitForAPipe in the place of an entry.
func TestDirCacheDoesNotWaitForAPipe(t *testing.T) {
	path := t.TempDir()
	require.NoError(t, os.Chmod(path, 0o700))
	require.NoError(t, syscall.Mkfifo(filepath.Join(path, "secret.app.key"), 0o600))
	began := time.Now()
	_, err := secret.DirCache(path).Get(context.Background(), keyAddr)
	require.ErrorContains(t, err, "is no regular file")
	require.Less(t, time.Since(began), 5*time.Second)
}

// TestDirCacheRefusesALinkInEachForm of a path: the system follows a link
// before a slash.
func TestDirCacheRefusesALinkInEachForm(t *testing.T) {
	in := t.TempDir()
	target, link := filepath.Join(in, "target"), filepath.Join(in, "link")
	require.NoError(t, os.Mkdir(target, 0o700))
	require.NoError(t, os.Symlink(target, link))
	for _, path := range []string{link, link + "/", link + "//", link + "/.", link + "/./"} {
		c := secret.DirCache(path)
		require.ErrorContains(t, c.Put(t.Context(), keyAddr, "x"), "is a link", path)
		_, err := c.Get(t.Context(), keyAddr)
		require.ErrorContains(t, err, "is a link", path)
	}
	require.Empty(t, cacheFiles(t, target))
	for _, path := range []string{target + "/", in + "//new/./"} {
		c := secret.DirCache(path)
		require.NoError(t, c.Put(t.Context(), keyAddr, "x"), path)
		text, err := c.Get(t.Context(), keyAddr)
		require.NoError(t, err, path)
		require.Equal(t, "x", text)
	}
}
