// Package family lets package keyring keep one object for a secret and the
// copies that Secret.With made. Package secret does not export this to other
// callers.
package family

import "sync/atomic"

// Family is shared by a secret and its copies.
type Family struct{ Shared atomic.Value }

// Of returns the family of a *secret.Secret, and nil for one that no constructor
// made. Package secret sets it.
var Of func(secret any) *Family
