package file

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/rotate"
)

// TestMoveLocksBothFiles moves a ledger between two files. Both are locked during
// the move.
func TestMoveLocksBothFiles(t *testing.T) {
	// A lock that is never free fails the test.
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	two := func(t *testing.T) (from, to *Ledger, s rotate.State) {
		from, s = newFile(t)
		s, _, err := rotate.Commit(ctx, from, "", s)
		require.NoError(t, err)
		dir := filepath.Join(t.TempDir(), "ops")
		require.NoError(t, os.Mkdir(dir, 0o700))
		to, err = Open(filepath.Join(dir, "shop.age"), Options{Identities: from.ids})
		require.NoError(t, err)
		return from, to, s
	}
	names := rotate.MoveOptions{From: "old", To: "new"}
	t.Run("moved", func(t *testing.T) {
		from, to, s := two(t)
		got, err := rotate.Move(ctx, from, to, names)
		require.NoError(t, err)
		require.Equal(t, s.ID(), got.ID())
		there, _, err := reopen(t, to).Load(ctx)
		require.NoError(t, err)
		require.True(t, there.Equal(got))
		for _, f := range []*Ledger{from, to} { // the locks are free again
			unlock, err := reopen(t, f).Lock(ctx)
			require.NoError(t, err)
			require.NoError(t, unlock())
		}
	})
	t.Run("while a run works on one", func(t *testing.T) {
		for i := range 2 {
			from, to, _ := two(t)
			busy := []*Ledger{from, to}[i]
			unlock, err := reopen(t, busy).Lock(ctx)
			require.NoError(t, err)
			brief, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			_, err = rotate.Move(brief, from, to, names)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded, "it waits")
			require.ErrorContains(t, err, busy.path)
			require.NoError(t, unlock())
			s, _, err := from.Load(ctx)
			require.NoError(t, err)
			require.Empty(t, s.Moved())
			_, err = rotate.Move(ctx, from, to, names)
			require.NoError(t, err)
		}
	})
	t.Run("under two names", func(t *testing.T) {
		from, _, _ := two(t)
		link := filepath.Join(filepath.Dir(from.path), "link.age")
		require.NoError(t, os.Symlink(from.path, link))
		before := content(t, from)
		for _, name := range []string{link, from.path, filepath.Join(filepath.Dir(from.path), ".", "x", "..",
			filepath.Base(from.path))} {
			to, err := Open(filepath.Clean(name), Options{Identities: from.ids})
			require.NoError(t, err)
			_, err = rotate.Move(ctx, from, to, names)
			require.ErrorContains(t, err, "old and new are one file", "instead of waiting for itself")
			require.Equal(t, before, content(t, from))
		}
	})
}

func content(t *testing.T, l *Ledger) []byte {
	t.Helper()
	data, err := os.ReadFile(l.path)
	require.NoError(t, err)
	return data
}
