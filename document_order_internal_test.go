package secret

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// simpleAt is At without an order: it compares every version with the best so
// far.
func simpleAt(d *document, t time.Time) int {
	current := d.entries[d.current].activeFrom
	before := func(i, j int) bool {
		a, b := d.entries[i].activeFrom, d.entries[j].activeFrom
		if x, y := current.Before(a), current.Before(b); x != y {
			return y
		}
		return b.Before(a) || !a.Before(b) && j != int(d.current)
	}
	best := -1
	for i := range d.entries {
		if d.entries[i].activeAt(t) && (best < 0 || before(i, best)) {
			best = i
		}
	}
	return best
}

// simpleAccepted is accepted with a sort of its own.
func simpleAccepted(d *document, accept func(*entry) bool) []int {
	found := []int{}
	for i := range d.entries {
		if accept(&d.entries[i]) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(i, j int) int {
		switch {
		case i == j:
			return 0
		case i == int(d.current):
			return -1
		case j == int(d.current):
			return 1
		}
		if c := d.entries[j].activeFrom.Compare(d.entries[i].activeFrom); c != 0 {
			return c
		}
		return cmp.Compare(j, i)
	})
	return found
}

// TestReadsByTimeAgreeWithASimpleSearch: for random documents, with equal times,
// none, and ends before the start, at the instants of the document and beside
// them.
func TestReadsByTimeAgreeWithASimpleSearch(t *testing.T) {
	slow.Sequential(t)
	r := rand.New(rand.NewPCG(1, 2))
	epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	indexes := func(vs []Version) []int {
		list := []int{}
		for _, v := range vs {
			list = append(list, v.i)
		}
		return list
	}
	ordered := 0
	for range 20_000 {
		n := 1 + r.IntN(12)
		if r.IntN(50) == 0 {
			n = 40 + r.IntN(100)
		}
		instants := 1 + r.IntN(2*n)
		some := func() time.Time {
			if r.IntN(4) == 0 {
				return time.Time{}
			}
			return epoch.Add(time.Duration(r.IntN(instants)) * time.Second)
		}
		d := &document{current: int32(r.IntN(n)), entries: make([]entry, n)}
		for i := range d.entries {
			d.entries[i] = entry{activeFrom: some(), expiresAt: some()}
		}
		if r.IntN(2) == 0 { // as texts usually are
			slices.SortStableFunc(d.entries, func(a, b entry) int { return a.activeFrom.Compare(b.activeFrom) })
			d.current = int32(n - 1 - r.IntN(min(n, 2)))
		}
		doc := newDocument(d)
		if d.inOrder() == nil {
			ordered++
		}
		for range 8 {
			at := some().Add(time.Duration(r.IntN(3)-1) * time.Nanosecond)
			require.Equal(t, simpleAt(d, at), d.at(at))
			require.Equal(t, simpleAccepted(d, func(e *entry) bool { return e.activeAt(at) }), indexes(doc.ActiveAt(at)))
			require.Equal(t, simpleAccepted(d, func(e *entry) bool { return !e.expired(at) }), indexes(doc.Active(at)))
		}
	}
	require.Greater(t, ordered, 2_000, "documents without a list")
	require.Less(t, ordered, 18_000, "documents without a list")
}

// TestUsualTextsNeedNoOrder: versions by activeFrom, the current one last.
func TestUsualTextsNeedNoOrder(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		usual bool
	}{
		"plain": {"a", true},
		"rotated": {"current=v3;v1=a;v2=b;v2_active=2026-01-01T00:00:00Z;v3=c;v3_active=2026-02-01T00:00:00Z",
			true},
		"no times":      {"v1=a;v2=b;v3=c", true},
		"equal times":   {"v1=a;v1_active=2026-01-01T00:00:00Z;v2=b;v2_active=2026-01-01T00:00:00Z", true},
		"announced":     {"current=v2;v1=a;v2=b;v3=c;v3_active=2026-02-01T00:00:00Z", false},
		"another order": {"v1=a;v1_active=2026-01-01T00:00:00Z;v2=b;v3=c", false},
	} {
		doc, err := Parse(c.text)
		require.NoError(t, err)
		require.Equal(t, c.usual, doc.data().inOrder() == nil, name)
	}
	require.Nil(t, noDocument.inOrder())
}

// TestClockIsReadOnlyForAVersionThatExpires: reading it takes longer than the
// rest of a read.
func TestClockIsReadOnlyForAVersionThatExpires(t *testing.T) {
	doc, err := Parse("v1=a;v2=b;v2_expires=2026-02-01T00:00:00Z;v3=c;v3_active=2026-03-01T00:00:00Z")
	require.NoError(t, err)
	for id, expires := range map[string]bool{"v1": false, "v2": true, "v3": false, "v4": false} {
		reads := 0
		_, _ = doc.data().pickActiveVersion(id, func() time.Time { reads++; return time.Now() })
		require.Equal(t, expires, reads > 0, id)
	}
}
