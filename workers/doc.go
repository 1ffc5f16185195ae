// Package workers reads secrets from the bindings of a Cloudflare Worker: see Bindings, which exists on js/wasm alone. On other
// platforms the package is empty, so that a program that is built for both compiles everywhere.
package workers
