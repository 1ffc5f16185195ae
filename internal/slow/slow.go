// Package slow is the one switch of the tests. The default run skips tests that
// kill processes in a loop or start dozens, that explore, that need a server, and
// that run the Go toolchain. The gate runs these too, with LAYER_TESTS=all.
package slow

import (
	"os"
	"testing"
)

// All reports whether LAYER_TESTS asks for every test.
func All() bool {
	switch tests := os.Getenv("LAYER_TESTS"); tests {
	case "all":
		return true
	case "":
		return false
	default: // a misspelt word would leave tests out in silence
		panic("LAYER_TESTS is all, or empty")
	}
}

// Test skips t unless LAYER_TESTS asks for every test.
func Test(t testing.TB) {
	t.Helper()
	if !All() {
		t.Skip("slow: LAYER_TESTS=all runs it")
	}
}
