package rotate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// Two keys were replaced, k0 and then k1. The reach of each has every name, as
// an earlier layer recorded it.
func TestReachesThatAreReleased(t *testing.T) {
	const keys = 2
	now := beginning.Add(100 * day)
	p := policy{now: now, window: day, margin: day}
	old, fresh := now.Add(-2*day), now.Add(-time.Hour)
	base := *NewState(Settings{}).state()
	base.Former = [][]byte{randomBytes(32), randomBytes(32)}
	// note returns a note under the key of that index; keys is the present one.
	note := func(key int, name string, gen uint64) string {
		signer := base
		if key < keys {
			signer.ByKey = base.Former[key]
		}
		return signer.newNote(name, gen, "v1", "text")
	}
	pub := func(key int, at time.Time) *published { return &published{Gen: 3, Note: note(key, "K", 3), At: at} }
	in := func(key int) *intent { return &intent{Note: note(key, "K", 4)} }
	// settled is another secret, confirmed under that key a margin ago: so k0 and k1
	// were replaced before.
	settled := func(key int) *record {
		return &record{Address: secret.Address{Namespace: "a", Name: "other"}, Name: "O", Gen: 3, Current: "v1",
			Published: &published{Gen: 3, Note: note(key, "O", 3), At: old}}
	}
	for _, tc := range []struct {
		name    string
		r       record
		settled int // key of the other secret; -1: it is confirmed under none
		targets []left
		want    []int // the former keys that keep the reach of K
	}{
		{"confirmed under the present key", record{Published: pub(2, old)}, 2, nil, nil},
		{"only just", record{Published: pub(2, fresh)}, 2, nil, []int{0, 1}},
		{"a late request may still arrive", record{Published: pub(2, old), Stray: now.Add(time.Minute)}, 2, nil, []int{0, 1}},
		{"confirmed under k1", record{Published: pub(1, old)}, 2, nil, []int{1}},
		{"under k0: no later note was made", record{Published: pub(0, old)}, 2, nil, []int{0}},
		{"an intent under the present key", record{Published: pub(0, old), Intent: in(2)}, 2, nil, []int{0, 1}},
		{"an intent under k1", record{Published: pub(0, old), Intent: in(1)}, 2, nil, []int{0, 1}},
		{"an intent under k0 alone", record{Intent: in(0)}, 2, nil, []int{0}},
		{"an intent under k1 alone", record{Intent: in(1)}, 2, nil, []int{1}},
		{"removed", record{Removed: true}, 2, nil, nil},
		{"removed, k1 was replaced lately", record{Removed: true}, 1, nil, []int{1}},
		{"removed, k0 too", record{Removed: true}, -1, nil, []int{0, 1}},
		{"removed, a late request may still arrive", record{Removed: true, Stray: now.Add(time.Minute)}, 2, nil, []int{0, 1}},
		{"left in a former target", record{Name: "N", Published: pub(2, old)}, 2, []left{{Name: "K", Gen: 3,
			Note: note(0, "K", 3)}}, []int{0}},
		{"left there while an intent was pending", record{Name: "N", Published: pub(2, old)}, 2, []left{{Name: "K", Gen: 4,
			Note: note(0, "K", 3)}}, []int{0, 1}},
		{"left without a note", record{Name: "N", Published: pub(2, old)}, 2, []left{{Name: "K", Gen: 4}}, []int{0, 1}},
		{"left under a former name", record{Name: "N", Left: []left{{Name: "K", Gen: 3, Note: note(1, "K", 3)}}}, 2, nil,
			[]int{1}},
		{"no value has the name any more", record{Name: "N"}, 2, nil, nil},
		{"and k1 was replaced lately", record{Name: "N"}, 1, nil, []int{1}},
		{"two values have the name", record{Left: []left{{Name: "K", Gen: 3, Note: note(0, "K", 3)}},
			Published: pub(2, old)}, 2, nil, []int{0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			st := base
			if tc.r.Name == "" {
				tc.r.Name = "K"
			}
			st.Secrets = []*record{&tc.r}
			if tc.settled >= 0 {
				st.Secrets = append(st.Secrets, settled(tc.settled))
			}
			st.Targets = []former{{Target: "dir:old", Values: tc.targets}}
			all := extent{"K": reach{Gen: 9, ID: 9}}
			st.Reach = []extent{all, all}
			got := st.released(p)
			var kept []int
			for i, e := range got.Reach {
				if e["K"] == all["K"] {
					kept = append(kept, i)
				}
			}
			require.Equal(t, tc.want, kept)
			require.Len(t, got.Former, keys, "the keys stay for Succeeds")
			require.Equal(t, []extent{all, all}, st.Reach, "a state never changes")
			require.Equal(t, got.Reach, got.released(p).Reach)
		})
	}
}
