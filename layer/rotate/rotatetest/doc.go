// Package rotatetest tells whether a [rotate.Ledger] behaves as the runs that depend on it expect:
//
//	func TestLedger(t *testing.T) {
//		rotatetest.TestLedger(t, func(t *testing.T, ids ledger.Identities) func() rotate.Ledger {
//			server := startServer(t)
//			return func() rotate.Ledger { return NewLedger(server.URL, ids) }
//		})
//	}
//
// What the test stores is made up, so its messages may quote what the ledger says.
package rotatetest
