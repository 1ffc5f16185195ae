// Package e2e runs Workers in workerd, the runtime that Cloudflare's Workers run in, and drives them over HTTP. Its tests need
// Node and what npm installs here: ./run does it all.
package e2e
