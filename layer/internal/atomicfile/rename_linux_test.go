package atomicfile

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

// On a file system without links the file is renamed, and no file is
// overwritten.
func TestRenameToNewNeverOverwrites(t *testing.T) {
	f := folder(t)
	require.NoError(t, f.Root.WriteFile("from", []byte("ours"), 0o600))
	require.NoError(t, f.Root.WriteFile("to", []byte("theirs"), 0o600))
	require.ErrorIs(t, f.renameToNew("from", "to"), fs.ErrExist)
	require.Equal(t, "theirs", content(t, f, "to"))
	require.NoError(t, f.renameToNew("from", "new"))
	require.Equal(t, "ours", content(t, f, "new"))
}
