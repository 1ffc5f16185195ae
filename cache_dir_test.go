package secret_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

var keyAddr = secret.Address{Namespace: "app", Name: "key"}

// cacheFiles returns the names in a directory.
func cacheFiles(t testing.TB, path string) (names []string) {
	t.Helper()
	found, err := os.ReadDir(path)
	require.NoError(t, err)
	for _, e := range found {
		names = append(names, e.Name())
	}
	return names
}

// TestDirCacheKeepsEntries: whatever their bytes, in files that no other user
// may read.
func TestDirCacheKeepsEntries(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "made", "with those above")
	c := secret.DirCache(path)
	_, err := c.Get(ctx, keyAddr)
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.NoDirExists(t, path, "Get makes nothing")

	for _, text := range []string{"one", "", "a\r\n\x00\xff\n", strings.Repeat("x", 1<<20+64<<10)} {
		require.NoError(t, c.Put(ctx, keyAddr, text))
		got, err := c.Get(ctx, keyAddr)
		require.NoError(t, err)
		require.True(t, got == text)
	}
	_, err = c.Get(ctx, secret.Address{Namespace: "app", Name: "other"})
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.Equal(t, []string{"secret.app.key"}, cacheFiles(t, path))
	if runtime.GOOS == "windows" {
		return
	}
	for _, made := range []struct {
		path string
		mode os.FileMode
	}{{path, 0o700}, {filepath.Dir(path), 0o700}, {filepath.Join(path, "secret.app.key"), 0o600}} {
		info, err := os.Stat(made.path)
		require.NoError(t, err)
		require.Equal(t, made.mode, info.Mode().Perm(), made.path)
	}
}

// TestDirCacheNames: each address has a file of its own on every file system,
// and no address leads out of the directory.
func TestDirCacheNames(t *testing.T) {
	ctx, path := context.Background(), t.TempDir()
	require.NoError(t, os.Chmod(path, 0o700))
	c := secret.DirCache(path)
	addrs := []secret.Address{{Name: "key"}, {Namespace: "con", Name: "txt"}, {Namespace: "nul", Name: "aux"},
		{Namespace: "a", Name: "b-c"}, {Namespace: "a-b", Name: "c"}, {Namespace: "a", Name: "b_c"},
		{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("m", 63)}}
	for _, addr := range addrs {
		require.NoError(t, c.Put(ctx, addr, addr.String()))
	}
	for _, addr := range addrs {
		text, err := c.Get(ctx, addr)
		require.NoError(t, err)
		require.Equal(t, addr.String(), text)
	}
	seen := map[string]bool{}
	for _, name := range cacheFiles(t, path) {
		require.Equal(t, strings.ToLower(name), name)
		require.True(t, strings.HasPrefix(name, "secret."), "con.txt is a device of Windows")
		seen[name] = true
	}
	require.Len(t, seen, len(addrs))
	text, err := c.Get(ctx, secret.Address{Namespace: "default", Name: "key"})
	require.NoError(t, err)
	require.Equal(t, "$SECRET.default.key", text)

	for _, addr := range []secret.Address{{}, {Namespace: "..", Name: "x"}, {Namespace: "a/../..", Name: "b"},
		{Namespace: "a", Name: "B"}, {Namespace: "a", Name: "b\x00"}, {Namespace: "a", Name: strings.Repeat("n", 64)}} {
		require.ErrorIs(t, c.Put(ctx, addr, "x"), secret.ErrInvalid)
		_, err := c.Get(ctx, addr)
		require.ErrorIs(t, err, secret.ErrInvalid)
	}
	require.Len(t, cacheFiles(t, path), len(addrs))

	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, c.Put(ended, keyAddr, "x"), context.Canceled)
	_, err = c.Get(ended, keyAddr)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, secret.DirCache("").Put(ctx, keyAddr, "x"), secret.ErrInvalid)
}

// TestDirCacheClosesAnEmptyDirectory to other users when it writes there, as one
// that systemd or a test has made.
func TestDirCacheClosesAnEmptyDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes are another thing there")
	}
	path, ctx := t.TempDir(), context.Background()
	require.NoError(t, os.Chmod(path, 0o755))
	mode := func() os.FileMode {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Mode().Perm()
	}
	c := secret.DirCache(path)
	_, err := c.Get(ctx, keyAddr)
	require.ErrorIs(t, err, secret.ErrNotFound)
	require.Equal(t, os.FileMode(0o755), mode(), "a Get changes nothing")
	require.NoError(t, c.Put(ctx, keyAddr, marker))
	require.Equal(t, os.FileMode(0o700), mode())
	text, err := c.Get(ctx, keyAddr)
	require.NoError(t, err)
	require.True(t, text == marker)
}

// TestDirCacheRefuses a directory that others may enter, links, and anything
// but a regular file; it changes nothing.
func TestDirCacheRefuses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and links are other things there")
	}
	ctx := context.Background()
	directory := func(t *testing.T, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "cache")
		require.NoError(t, os.Mkdir(path, 0o700))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	filled := func(t *testing.T, mode os.FileMode) string {
		path := directory(t, mode)
		require.NoError(t, os.WriteFile(filepath.Join(path, "of another program"), nil, 0o600))
		return path
	}
	for name, tc := range map[string]struct {
		path func(*testing.T) string
		says string
	}{
		"others may read": {func(t *testing.T) string { return filled(t, 0o755) },
			"has mode 755, so other users may enter it: set mode 0700"},
		"the group may enter": {func(t *testing.T) string { return filled(t, 0o710) }, "has mode 710"},
		"a file": {func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
			return path
		}, "not a directory"},
		"a link": {func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "link")
			require.NoError(t, os.Symlink(directory(t, 0o700), path))
			return path
		}, "is a link"},
		"an entry that is a link": {func(t *testing.T) string {
			path := directory(t, 0o700)
			require.NoError(t, os.WriteFile(filepath.Join(path, "target"), []byte("precious"), 0o600))
			require.NoError(t, os.Symlink("target", filepath.Join(path, "secret.app.key")))
			return path
		}, "is no regular file"},
		"an entry that is a directory": {func(t *testing.T) string {
			path := directory(t, 0o700)
			require.NoError(t, os.Mkdir(filepath.Join(path, "secret.app.key"), 0o700))
			return path
		}, "is no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := tc.path(t)
			_, err := secret.DirCache(path).Get(ctx, keyAddr)
			require.ErrorContains(t, err, tc.says)
			require.NotErrorIs(t, err, secret.ErrNotFound)
			err = secret.DirCache(path).Put(ctx, keyAddr, marker)
			switch name {
			case "an entry that is a link": // the link is replaced, its target is not touched
				require.NoError(t, err)
				text, err := os.ReadFile(filepath.Join(path, "target"))
				require.NoError(t, err)
				require.Equal(t, "precious", string(text))
				require.Len(t, cacheFiles(t, path), 2)
			case "an entry that is a directory":
				require.Error(t, err)
				require.Equal(t, []string{"secret.app.key"}, cacheFiles(t, path), "no temporary file is left")
			default:
				require.ErrorContains(t, err, tc.says)
			}
		})
	}
}

func TestDirCacheReadsNoHugeFile(t *testing.T) {
	path := t.TempDir()
	require.NoError(t, os.Chmod(path, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(path, "secret.app.key"), make([]byte, 3<<20), 0o600))
	c := secret.DirCache(path)
	_, err := c.Get(context.Background(), keyAddr)
	require.ErrorIs(t, err, secret.ErrTooLarge)
	require.ErrorIs(t, c.Put(context.Background(), keyAddr, strings.Repeat("x", 3<<20)), secret.ErrTooLarge)
}

// TestDirCacheSweeps the files that a crash left, and spares one that another
// process may be writing.
func TestDirCacheSweeps(t *testing.T) {
	path := t.TempDir()
	require.NoError(t, os.Chmod(path, 0o700))
	for _, name := range []string{".tmp-secret.app.old.1.tmp", ".tmp-secret.app.new.1.tmp", ".tmp-other", "kept"} {
		require.NoError(t, os.WriteFile(filepath.Join(path, name), []byte("x"), 0o600))
		if !strings.Contains(name, "new") {
			hourAgo := time.Now().Add(-time.Hour)
			require.NoError(t, os.Chtimes(filepath.Join(path, name), hourAgo, hourAgo))
		}
	}
	require.NoError(t, secret.DirCache(path).Put(context.Background(), keyAddr, "one"))
	require.ElementsMatch(t, []string{".tmp-other", ".tmp-secret.app.new.1.tmp", "kept", "secret.app.key"},
		cacheFiles(t, path))
}

// TestDirCacheConcurrently: readers find a whole entry while writers replace it.
func TestDirCacheConcurrently(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "cache")
	require.NoError(t, secret.DirCache(path).Put(ctx, keyAddr, strings.Repeat("0", 10_000)))
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			c := secret.DirCache(path) // as another process
			for range 50 {
				if err := c.Put(ctx, keyAddr, strings.Repeat(strconv.Itoa(n), 10_000)); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			c := secret.DirCache(path)
			for range 500 {
				text, err := c.Get(ctx, keyAddr)
				if err != nil || len(text) != 10_000 || text != strings.Repeat(text[:1], 10_000) {
					t.Errorf("%d bytes, %v", len(text), err)
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, []string{"secret.app.key"}, cacheFiles(t, path))
}

// TestThousandSecretsStartFromADirectory, as the cache of two processes, in less
// than a second.
func TestThousandSecretsStartFromADirectory(t *testing.T) {
	p, path := newProbe(), filepath.Join(t.TempDir(), "cache")
	names := make([]string, 1000)
	for i := range names {
		names[i] = "n" + strconv.Itoa(i)
	}
	secrets := restarted(names...)
	for i, s := range secrets {
		p.set(s, strconv.Itoa(i))
	}
	app := secret.NewApp(secret.AppOptions{Store: p, Cache: secret.DirCache(path), Logger: silence}).Use(secrets...)
	require.NoError(t, app.Start(context.Background()))
	require.Eventually(t, func() bool {
		found, err := os.ReadDir(path)
		return err == nil && len(found) >= 1000
	}, 3*time.Minute, 10*time.Millisecond) // a later round writes what a slow disk has delayed
	require.NoError(t, app.Close())

	p.step(refuse)
	// A loaded machine delays some starts, so the fastest of a few counts.
	fastest := time.Hour
	for try := 0; try < 5 && fastest >= time.Second; try++ {
		secrets = restarted(names...)
		app := secret.NewApp(secret.AppOptions{Store: p, Cache: secret.DirCache(path), Logger: silence}).Use(secrets...)
		began := time.Now()
		require.NoError(t, app.Start(context.Background()))
		for i, s := range secrets {
			requireRead(t, strconv.Itoa(i), s)
		}
		fastest = min(fastest, time.Since(began))
		require.NoError(t, app.Close())
	}
	if !slow.Raced {
		require.Less(t, fastest, time.Second)
	}
}
