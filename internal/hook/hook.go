// Package hook lets package secrettest reach what package secret exports to nobody else.
package hook

// Swap has a *secret.Secret read from a secret.Store until restore is called. Package secret sets it, but on js/wasm, where a
// Worker would pay for it. It fails where a running
// App holds the secret.
var Swap func(secret, store any) (restore func(), err error)
