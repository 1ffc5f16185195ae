// Package rotatetest tests implementations of [rotate.Ledger]. It checks the
// behaviour on which the runs of package rotate depend:
//
//	func TestLedger(t *testing.T) {
//		rotatetest.TestLedger(t, func(t *testing.T, ids ledger.Identities) func() rotate.Ledger {
//			server := startServer(t)
//			return func() rotate.Ledger { return NewLedger(server.URL, ids) }
//		})
//	}
//
// The test stores only made-up values, so its messages may quote the ledger's
// answers.
package rotatetest
