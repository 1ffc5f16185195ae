// Package swap lets package secrettest put a declaration on another store,
// which package secret exports to no other caller.
package swap

// Secret has a *secret.Secret read from a secret.Store until restore is called.
// It fails where a running App holds the secret. Package secret sets it; on
// js/wasm, where a Worker would pay for it, it is nil.
var Secret func(secret, store any) (restore func(), err error)
