// Package e2e runs Workers in workerd, the runtime of Cloudflare's Workers, and
// sends HTTP requests to them. The tests need Node and the npm packages of this
// folder. ./run installs them and runs the tests.
package e2e
