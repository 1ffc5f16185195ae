package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/rotate"
)

// FuzzIdentities: a text is refused with an error that shows no part of the text,
// or its keys and ids are the same after they are written and read.
func FuzzIdentities(f *testing.F) {
	key, recipient, err := NewIdentity()
	require.NoError(f, err)
	id := rotate.NewState(rotate.Settings{}).ID()
	for _, text := range []string{"", key.Reveal(), "# public key: " + recipient + "\n" + key.Reveal() + "\n",
		"# ledger " + id + "\n" + key.Reveal(),
		madeByLayer + "\n# ledger " + id + "\r\n\r\n" + key.Reveal(), "# ledger " + id[:31] + "\n" + key.Reveal(),
		strings.ToLower(key.Reveal()),
		recipient, "AGE-SECRET-KEY-PQ-1", "AGE-PLUGIN-X", "-----BEGIN AGE ENCRYPTED FILE-----",
		key.Reveal() + "\n" + key.Reveal()} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ids, err := ParseIdentities(text)
		if err != nil {
			for line := range strings.Lines(text) {
				line = strings.TrimSpace(line)
				known := strings.Contains("AGE-SECRET-KEY-1 AGE-SECRET-KEY-PQ-1 AGE-PLUGIN- `layer secret init` "+
					"`age-keygen` `age -d -i`", line)
				if len(line) > 12 && !known && strings.Contains(err.Error(), line) {
					t.Fatal("the error repeats a line of the text")
				}
			}
			return
		}
		require.NotEmpty(t, ids.All())
		for _, id := range ids.Ledgers() {
			require.True(t, IsID(id))
			require.Contains(t, text, id)
		}
		path := filepath.Join(t.TempDir(), "layer.identity")
		if err := WriteIdentity(path, driver.NewValue(text)); err != nil {
			require.ErrorContains(t, err, "only a key of age itself")
			return
		}
		back, err := ReadIdentities(path)
		require.NoError(t, err)
		require.Equal(t, ids.Recipients(), back.Recipients())
		require.Equal(t, ids.Ledgers(), back.Ledgers())
		require.NoError(t, os.Remove(path))
	})
}
