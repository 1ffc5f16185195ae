package cloudflareapi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestListEndsWhereItsLengthSays: a list ends at the length that the API
// returns, or with an empty page.
func TestListEndsWhereItsLengthSays(t *testing.T) {
	for _, tc := range []struct {
		name               string
		perPage, total, of float64
		page               int64
		seen, n            int
		more               bool
	}{
		{"nothing told", 0, 0, 0, 1, 5, 5, true},
		{"a full page", 5, 0, 0, 1, 5, 5, true},
		{"a page that is not full", 5, 0, 0, 1, 4, 4, false},
		{"all of the total", 5, 5, 0, 1, 5, 5, false},
		{"less than the total", 5, 6, 0, 1, 5, 5, true},
		{"less than the total, on a page that is not full", 100, 90, 0, 1, 25, 25, true},
		{"more than the total, on a full page", 5, 9, 2, 2, 10, 5, true},
		{"more than the total, on the last page", 5, 9, 3, 3, 11, 1, false},
		{"pages to come", 5, 0, 2, 1, 5, 5, true},
		{"no pages to come", 5, 0, 2, 2, 10, 5, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := &Exchange{}
			x.envelope.Info.PerPage, x.envelope.Info.TotalCount, x.envelope.Info.TotalPages = tc.perPage, tc.total, tc.of
			require.Equal(t, tc.more, x.more(tc.page, tc.seen, tc.n))
		})
	}
}
