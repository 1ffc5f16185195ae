// Package slow is the one switch of the tests. The default run leaves out what
// kills processes in a loop, starts dozens of them, explores, needs a server or
// runs the Go toolchain. LAYER_TESTS=all runs it too, as the gate does.
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
