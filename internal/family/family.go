// Package family lets package keyring keep one thing for a secret and the
// copies that Secret.With made, which package secret exports to no other caller.
package family

import "sync"

// Family is shared by a secret and its copies. The zero Family is ready; it is
// safe for concurrent use.
type Family struct {
	once  sync.Once
	share any
}

// Share returns the result of the first call's create.
func (f *Family) Share(create func() any) any {
	f.once.Do(func() { f.share = create() })
	return f.share
}

// Of returns the family of a *secret.Secret, and nil for one that no
// constructor made. Package secret sets it.
var Of func(secret any) *Family
