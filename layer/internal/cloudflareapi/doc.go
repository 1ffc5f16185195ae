// Package cloudflareapi sends requests to Cloudflare's API, each once, and reports
// their failures without repeating what was sent. The target and the generator for
// Cloudflare share it.
package cloudflareapi
