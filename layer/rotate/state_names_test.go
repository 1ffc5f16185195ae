package rotate

import (
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
)

// The names of recipients are kept in the ledger, and a caller cannot change
// those in a State.
func TestStateKeepsTheNamesOfRecipients(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	key := identity.Recipient().String()
	given := Settings{Recipients: []string{key}, Names: map[string]string{key: "ann@laptop"}}
	s := NewState(Settings{}).WithSettings(given)
	given.Names[key] = "changed"
	s.Settings().Names[key] = "changed"
	require.Equal(t, "ann@laptop", s.Settings().Names[key])
	sealed, err := Seal(s, identity)
	require.NoError(t, err)
	back, err := Unseal(sealed, identity)
	require.NoError(t, err)
	require.Equal(t, "ann@laptop", back.Settings().Names[key])
	require.Equal(t, "ann@laptop", NewState(back.Settings()).Settings().Names[key])
	require.NotContains(t, back.String(), "ann")
}
