// Package cloudflareapi sends requests to Cloudflare's API, each once, and reports
// their failures without repeating the request. The target and the generator for
// Cloudflare share it.
package cloudflareapi
