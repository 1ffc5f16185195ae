// Package swap lets package secrettest connect a declaration to another store.
// Package secret does not export this to other callers.
package swap

// Secret makes a *secret.Secret read from a secret.Store until restore is
// called. It returns an error if a running App holds the secret. Package secret
// sets it. On js/wasm it is nil, because it would enlarge a Worker.
var Secret func(secret, store any) (restore func(), err error)
