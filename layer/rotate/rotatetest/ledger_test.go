package rotatetest_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/rotate/rotatetest"
)

func TestMemoryLedger(t *testing.T) {
	rotatetest.TestLedger(t, func(*testing.T, rotate.Identities) func() rotate.Ledger {
		l := new(rotate.MemoryLedger)
		return func() rotate.Ledger { return l }
	})
}

func TestFileIsALedger(t *testing.T) {
	rotatetest.TestLedger(t, func(t *testing.T, ids rotate.Identities) func() rotate.Ledger {
		path := filepath.Join(t.TempDir(), "layer.secrets.age")
		return func() rotate.Ledger {
			f, err := rotate.OpenFile(path, rotate.FileOptions{Identities: ids})
			require.NoError(t, err)
			return f
		}
	})
}
