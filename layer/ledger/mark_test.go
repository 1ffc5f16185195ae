package ledger

import (
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"testing"

	"filippo.io/age/plugin"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/rotate"
)

// TestMarksOfOtherKeys: an SSH key marks the memory like a key of age. An age plugin
// keeps its key, and the text in the identity file is no secret, so a memory makes no
// ledger trusted: such an identity needs the id.
func TestMarksOfOtherKeys(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	text, _ := sshPEM(t, private, "")
	sshIDs, err := ParseIdentities(text)
	require.NoError(t, err)
	pluginIDs, err := ParseIdentities(plugin.EncodeIdentity("yubikey", []byte("no secret")))
	require.NoError(t, err)
	thief, _ := keys(t)
	for name, test := range map[string]struct {
		ids   Identities
		marks bool
	}{"SSH": {sshIDs, true}, "plugin": {pluginIDs, false}} {
		t.Run(name, func(t *testing.T) {
			mine := func(o *RememberOptions) { o.Identities = test.ids }
			m, inner := newMachine(t), new(rotate.MemoryLedger)
			genuine := created(t, m.remember(inner, "b", mine))
			require.Equal(t, test.marks, len(m.known().Marks) > 0)
			_, _, err := m.remember(inner, "b", mine).Load(t.Context())
			if test.marks {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, rotate.Untrusted)
				require.ErrorContains(t, err, "an age plugin's key cannot sign the memory of ledgers seen")
			}
			before, err := os.Stat(m.seen)
			require.NoError(t, err)
			require.True(t, confirmed(t, m.remember(inner, "b", mine, named(inner))).Equal(genuine))
			after, err := os.Stat(m.seen)
			require.NoError(t, err)
			require.True(t, os.SameFile(before, after), "where nothing is new, nothing is written")
			_, _, err = m.remember(inner, "b", mine, func(o *RememberOptions) { o.Ask = answering(true) }).Load(t.Context())
			require.NoError(t, err)

			evil, forgery := newMachine(t), new(rotate.MemoryLedger)
			put(forgery, stamped(forged(rotate.NewState(rotate.Settings{}), genuine.Origin()), 50))
			for _, ids := range []Identities{thief, pluginIDs} { // the text of a plugin's identity may be known
				confirmed(t, evil.remember(forgery, "b", named(forgery), func(o *RememberOptions) { o.Identities = ids }))
				require.NoError(t, os.WriteFile(m.seen, []byte(evil.text()), 0o600))
				for _, how := range [][]func(*RememberOptions){{mine}, {mine, named(inner)}, {mine, adopting}} {
					_, _, err := m.remember(forgery, "b", how...).Load(t.Context())
					require.Error(t, err)
				}
			}
		})
	}
}
