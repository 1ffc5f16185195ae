package secret

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	cacheSteps   = []string{"make", "create", "write", "sync", "close", "rename", "sync directory"}
	testAddr     = Address{Namespace: "app", Name: "key"}
	errTestCrash = errors.New("a disk that fails")
)

// TestKilledPutLeavesAWholeEntry: a process that ends before any step leaves
// the old entry or the new one, and the next Put works.
func TestKilledPutLeavesAWholeEntry(t *testing.T) {
	if at := os.Getenv("TEST_CACHE_STEP"); at != "" { // the child
		c := DirCache(os.Getenv("TEST_CACHE_PATH")).(*dirCache)
		c.step = func(what string) error {
			if what == at {
				os.Exit(3)
			}
			return nil
		}
		_ = c.Put(context.Background(), testAddr, "new")
		os.Exit(0)
	}
	for _, old := range []string{"", "old"} {
		for _, at := range cacheSteps {
			if at == "make" && old != "" {
				continue
			}
			t.Run(at+" "+old, func(t *testing.T) {
				ctx, path := context.Background(), filepath.Join(t.TempDir(), "cache")
				if old != "" {
					require.NoError(t, DirCache(path).Put(ctx, testAddr, old))
				}
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledPutLeavesAWholeEntry$")
				child.Env = append(os.Environ(), "TEST_CACHE_STEP="+at, "TEST_CACHE_PATH="+path)
				err := child.Run()
				require.ErrorContains(t, err, "exit status 3", "the step is not reached")

				text, err := DirCache(path).Get(ctx, testAddr)
				switch {
				case at == "sync directory":
					require.NoError(t, err)
					require.Equal(t, "new", text)
				case old == "":
					require.ErrorIs(t, err, ErrNotFound)
				default:
					require.NoError(t, err)
					require.Equal(t, old, text)
				}
				require.NoError(t, DirCache(path).Put(ctx, testAddr, "newer"))
				text, err = DirCache(path).Get(ctx, testAddr)
				require.NoError(t, err)
				require.Equal(t, "newer", text)
			})
		}
	}
}

// TestFailedPutLeavesNothing but the old entry: no temporary file, and the error
// has no part of the text.
func TestFailedPutLeavesNothing(t *testing.T) {
	for _, at := range cacheSteps[1:] {
		ctx, path := context.Background(), filepath.Join(t.TempDir(), "cache")
		require.NoError(t, DirCache(path).Put(ctx, testAddr, "old"))
		c := DirCache(path).(*dirCache)
		reached := []string{}
		c.step = func(what string) error {
			reached = append(reached, what)
			if what == at {
				return errTestCrash
			}
			return nil
		}
		require.ErrorIs(t, c.Put(ctx, testAddr, "new"), errTestCrash)
		require.Equal(t, strings.Join(cacheSteps[1:], " ")[:len(strings.Join(reached, " "))], strings.Join(reached, " "),
			"the order of the steps")
		found, err := os.ReadDir(path)
		require.NoError(t, err)
		require.Len(t, found, 1)
		text, err := c.Get(ctx, testAddr)
		require.NoError(t, err)
		want := "old"
		if at == "sync directory" {
			want = "new"
		}
		require.Equal(t, want, text)
	}
}

// TestDirCacheChecksTheDirectoryItHasOpened: another one may be in its place by
// then.
func TestDirCacheChecksTheDirectoryItHasOpened(t *testing.T) {
	path := t.TempDir()
	require.NoError(t, os.Chmod(path, 0o700))
	named, err := os.Lstat(t.TempDir())
	require.NoError(t, err)
	root, err := os.OpenRoot(path)
	require.NoError(t, err)
	defer root.Close()
	require.ErrorContains(t, (&dirCache{path: path}).check(root, named, true), "was replaced while it was opened")
}
