// Package ledger has the parts that every kind of ledger needs beside the protocol of
// package rotate: the private keys that open one ([Identities]), and a memory of
// the ledgers that this machine has seen ([Remember]).
//
// The ledgers themselves are in packages file, bucket and postgres.
package ledger
