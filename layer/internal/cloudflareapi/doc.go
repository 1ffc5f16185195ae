// Package cloudflareapi sends requests to Cloudflare's API, each once. Its
// errors do not repeat the request. The target and the generator for Cloudflare
// share it.
package cloudflareapi
