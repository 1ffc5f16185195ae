package file

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/rotate/rotatetest"
)

func TestKeepsThePromisesOfALedger(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, path string, ids ledger.Identities) rotate.Ledger{
		"alone": func(t *testing.T, path string, ids ledger.Identities) rotate.Ledger {
			f, err := Open(path, Options{Identities: ids})
			require.NoError(t, err)
			return f
		},
		"remembered": remembered,
	} {
		t.Run(name, func(t *testing.T) {
			rotatetest.TestLedger(t, func(t *testing.T, ids ledger.Identities) func() rotate.Ledger {
				path := filepath.Join(t.TempDir(), "layer.secrets.age")
				return func() rotate.Ledger { return open(t, path, ids) }
			})
		})
	}
}

// The memory is in the folder of the file and records the file by its name in that
// folder, for any path that opened it.
func TestMemoryOfAFileLiesBesideIt(t *testing.T) {
	ctx := context.Background()
	ids, to := keyed(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "layer.secrets.age")
	l := remembered(t, path, ids)
	s, rev, err := rotate.Commit(ctx, l, "", rotate.NewState(rotate.Settings{Recipients: []string{to}}))
	require.NoError(t, err)
	require.Equal(t, []string{"layer.secrets.age", "layer.secrets.age.lock", "layer.seen"}, files(t, dir))
	old, err := os.ReadFile(path)
	require.NoError(t, err)
	s, _, err = rotate.Commit(ctx, l, rev, s)
	require.NoError(t, err)

	t.Run("an older copy under another name", func(t *testing.T) {
		copied := filepath.Join(dir, "backup.age")
		require.NoError(t, os.WriteFile(copied, old, 0o600))
		_, _, err = remembered(t, copied, ids).Load(ctx)
		require.ErrorContains(t, err, "ledger "+copied+": it is an older copy: generation 1, and generation 2 was seen")
	})
	t.Run("an older copy by a link", func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "link.age")
		require.NoError(t, os.Symlink(path, link))
		change(t, remembered(t, link, ids), 1)
		require.NoFileExists(t, filepath.Join(filepath.Dir(link), "layer.seen"))
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, old, 0o600))
		_, _, err = remembered(t, link, ids).Load(ctx)
		require.ErrorContains(t, err, "it is an older copy")
		require.NoError(t, os.WriteFile(path, now, 0o600))
	})
	t.Run("a second ledger beside it", func(t *testing.T) {
		second := filepath.Join(dir, "staging.age")
		_, _, err := rotate.Commit(ctx, remembered(t, second, ids), "", rotate.NewState(s.Settings()))
		require.NoError(t, err)
		for _, p := range []string{path, second} {
			_, _, err = remembered(t, p, ids).Load(ctx)
			require.NoError(t, err)
		}
	})
	t.Run("the ledger is gone", func(t *testing.T) {
		require.NoError(t, os.Remove(path))
		_, rev, err := l.Load(ctx)
		require.ErrorIs(t, err, rotate.ErrNotFound)
		require.Empty(t, rev)
		require.ErrorContains(t, err, s.ID()+" was here before: restore it from git or a backup")
		_, _, err = rotate.Commit(ctx, l, "", rotate.NewState(s.Settings()))
		require.ErrorContains(t, err, "it is another ledger")
		require.NotErrorIs(t, err, rotate.ErrConflict)
		require.NoFileExists(t, path)
	})
}

// A run holds the lock of the file until it ends. It remembers its own changes,
// and a reader does not wait for it.
func TestRunThatHoldsTheLockRemembers(t *testing.T) {
	ctx := context.Background()
	ids, to := keyed(t)
	path := filepath.Join(t.TempDir(), "layer.secrets.age")
	l := remembered(t, path, ids)
	_, _, err := rotate.Commit(ctx, l, "", rotate.NewState(rotate.Settings{Recipients: []string{to}}))
	require.NoError(t, err)
	old, err := os.ReadFile(path)
	require.NoError(t, err)
	unlock, err := l.(rotate.Locker).Lock(ctx)
	require.NoError(t, err)
	s := change(t, l, 2)
	got, _, err := remembered(t, path, ids).Load(ctx)
	require.NoError(t, err)
	require.True(t, got.Equal(s))
	require.NoError(t, unlock())
	require.NoError(t, os.WriteFile(path, old, 0o600))
	_, _, err = remembered(t, path, ids).Load(ctx)
	require.ErrorContains(t, err, "generation 1, and generation 3 was seen")
}
