// Package ledger provides the parts that all kinds of ledgers share and that are
// not part of the protocol in package rotate: the private keys that open a ledger
// ([Identities]), and a memory of the ledgers that this machine has seen
// ([Remember]).
//
// The ledgers themselves are in packages file, bucket and postgres.
package ledger
