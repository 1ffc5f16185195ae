package rotate

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var printable = regexp.MustCompile(`^[ -~]{1,200}$`)

// written returns the note of a record's next text, if one is possible.
func written(st *state, name string, gen uint64, id int, text string) (string, bool) {
	r := &record{Gen: gen - 1, Highest: id, Current: fmt.Sprint("v", id)}
	if r.publishable() != nil {
		return "", false
	}
	return st.newNote(name, gen, r.Current, text), true
}

// Every generation and id that a record can reach is written, and read back
// unchanged. No other note that is read is the ledger's.
func FuzzNote(f *testing.F) {
	for _, gen := range []uint64{0, 1, 9, 10, 17, 999_999_999, 1_000_000_000, maxGen - 1, maxGen, maxGen + 1,
		9_999_999_999_999_999_999, math.MaxUint64} {
		for _, id := range []int{math.MinInt32, -1, 0, 1, 9, 10, 999_999_999, 1_000_000_000, maxID - 1, maxID, maxID + 1,
			math.MaxInt32} {
			f.Add("KEY", gen, int64(id), "text", "sv1 gen=1 cur=v1 fp=00000000000000000000000000000000 by=0000000000000000", 7,
				byte('0'))
		}
	}
	f.Add("", uint64(1), int64(1), "",
		"sv1 gen=18446744073709551616 cur=v9999999999 fp=00000000000000000000000000000000 by=0000000000000000", 11, byte(1))
	before := NewState(Settings{}).state()
	after := wrapState(before).Rekeyed().state()
	f.Fuzz(func(t *testing.T, name string, gen uint64, wide int64, text, any string, at int, change byte) {
		id := int(wide)
		note, ok := written(before, name, gen, id, text)
		require.Equal(t, ok, gen >= 1 && gen <= maxGen && id >= 1 && id <= maxID)
		if !ok {
			_, form := before.readNote(name, before.newNote(name, gen, fmt.Sprint("v", id), text))
			require.False(t, form, "it cannot be written, and is not read")
		} else {
			require.Regexp(t, printable, note)
			n, ours := before.ownNote(name, note)
			require.True(t, ours, "a note that is written can be read")
			require.Equal(t, gen, n.gen)
			require.Equal(t, id, number(n.cur))
			require.False(t, n.former)

			_, ours = before.ownNote(name+"X", note)
			require.False(t, ours, "another name's")
			_, ours = after.ownNote(name, note)
			require.False(t, ours, "a name of which no note was known at the removal")

			i := int(uint(at) % uint(len(note)))
			if changed := note[:i] + string(rune(change)) + note[i+1:]; changed != note {
				_, ours = before.ownNote(name, changed)
				require.False(t, ours, "changed")
			}
		}
		reach := *after
		reach.Reach = []extent{{name: {gen, id}}}
		for _, d := range []int{-1, 0, 1} {
			for _, e := range []int{-1, 0, 1} {
				note, ok := written(before, name, gen+uint64(d), id+e, text)
				if !ok {
					continue
				}
				_, ours := reach.ownNote(name, note)
				require.Equal(t, gen+uint64(d) <= gen && id+e <= id, ours, "%d and %d above the reach", d, e)
			}
		}

		n, form := before.readNote(name, any)
		if !form {
			require.Zero(t, n)
			return
		}
		require.False(t, n.ours, "made up")
		require.True(t, inBounds(n.gen, number(n.cur)))
		require.True(t, strings.HasPrefix(any, fmt.Sprintf("sv1 gen=%d cur=%s fp=", n.gen, n.cur)), "one spelling")
		_, ours := before.ownNote(name, any)
		require.False(t, ours)
	})
}
