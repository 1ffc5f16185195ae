package rotate

import (
	"fmt"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/growth"
	"github.com/layeron-hq/secret/internal/slow"
)

// grownState returns a ledger of n published secrets with two versions each.
func grownState(n int, to string) State {
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	st := *NewState(Settings{Recipients: []string{to}}).state()
	for i := range n {
		addr := secret.Address{Namespace: "growth", Name: fmt.Sprintf("key-%06d", i)}
		r := &record{Address: addr, Name: addr.Binding(), Kind: secret.KindRandom, Gen: 2, Highest: 2, Current: "v2",
			Created: now.Add(-day), Rotated: now}
		for _, id := range []string{"v1", "v2"} {
			r.Versions = append(r.Versions, version{ID: id, Value: "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12345",
				ActiveFrom: now.Add(-day)})
		}
		r.Published = &published{Gen: 2, Note: st.newNote(r.Name, 2, "v2", "text"), Modified: "1"}
		st.Secrets = append(st.Secrets, r)
	}
	return wrapState(&st)
}

func TestGrowthOfTheLedger(t *testing.T) {
	slow.Timed(t)
	id, to := keyed(t)
	sealed := func(n int) []byte {
		text, err := Seal(grownState(n, to))
		require.NoError(t, err)
		return text
	}
	growth.Counts(t, "size of a ledger", growth.Sizes(), func(n int) float64 { return float64(len(sealed(n))) })
	for name, identities := range map[string][]age.Identity{"Seal": nil, "Seal and check": {id}} {
		growth.Law(t, name, growth.Sizes(), func(n int) func() {
			s := grownState(n, to)
			return func() {
				_, err := Seal(s, identities...)
				require.NoError(t, err)
			}
		})
	}
	growth.Law(t, "Unseal", growth.Sizes(), func(n int) func() {
		text := sealed(n)
		return func() {
			_, err := Unseal(text, id)
			require.NoError(t, err)
		}
	})
}
