package ledger_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/rotate/rotatetest"
)

// TestRememberIsALedger: a remembered ledger keeps every promise of a ledger, even
// if several handles share one memory, like several runs in one folder.
func TestRememberIsALedger(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]func(*testing.T, ledger.Identities) func() rotate.Ledger{
		"memory": func(*testing.T, ledger.Identities) func() rotate.Ledger {
			l := new(rotate.MemoryLedger)
			return func() rotate.Ledger { return l }
		},
		"bucket": func(t *testing.T, ids ledger.Identities) func() rotate.Ledger {
			endpoint := s3(t)
			return func() rotate.Ledger { return inBucket(t, endpoint, ids) }
		},
	} {
		for memory, apart := range map[string]bool{"one memory": false, "a memory each": true} {
			t.Run(name+", "+memory, func(t *testing.T) {
				t.Parallel()
				rotatetest.TestLedger(t, func(t *testing.T, ids ledger.Identities) func() rotate.Ledger {
					open, dir := place(t, ids), t.TempDir()
					return func() rotate.Ledger {
						seen := filepath.Join(dir, "layer.seen")
						if apart {
							seen = filepath.Join(t.TempDir(), "layer.seen")
						}
						trust := func(context.Context, rotate.State) (bool, error) { return true, nil }
						l, err := ledger.Remember(open(), ledger.RememberOptions{Seen: seen,
							Place: "place", Ask: trust})
						require.NoError(t, err)
						return l
					}
				})
			})
		}
	}
}
