package rotatetest_test

import (
	"testing"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/rotate/rotatetest"
)

func TestMemoryLedger(t *testing.T) {
	rotatetest.TestLedger(t, func(*testing.T, ledger.Identities) func() rotate.Ledger {
		l := new(rotate.MemoryLedger)
		return func() rotate.Ledger { return l }
	})
}
