// Package slow is the one switch of the tests. The default run skips tests that
// kill processes in a loop or start dozens, tests that explore interleavings,
// tests that need a server, and tests that run the Go toolchain. The gate runs
// these too, with LAYER_TESTS=all.
package slow

import (
	"os"
	"strings"
	"testing"
)

// All reports whether LAYER_TESTS asks for every test.
func All() bool {
	switch tests := os.Getenv("LAYER_TESTS"); tests {
	case "all":
		return true
	case "":
		return false
	default: // a misspelt word would skip tests silently
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

// Lacks skips t because the machine lacks a requirement. It fails t if
// LAYER_TESTS asks for every test, so that the gate skips none unnoticed.
func Lacks(t testing.TB, format string, args ...any) {
	t.Helper()
	if All() {
		t.Fatalf("LAYER_TESTS=all runs every test, and this one cannot run: "+format, args...)
	}
	t.Skipf(format, args...)
}

// Root ends t, as [Lacks] does, unless root runs it. Such a test must be named
// TestRoot…, so that it can be left to a run by root; any other name fails.
func Root(t testing.TB) {
	t.Helper()
	if !strings.HasPrefix(t.Name(), "TestRoot") {
		t.Fatalf("%s needs root: begin its name with TestRoot", t.Name())
	}
	if os.Geteuid() != 0 {
		Lacks(t, "only root can be several users, and mount a file system")
	}
}

// Timed skips t under the race detector: t measures a speed, and the detector
// would be measured.
func Timed(t testing.TB) {
	t.Helper()
	if Raced {
		t.Skip("a measurement: the runs without the race detector make it")
	}
}

// Sequential skips t under the race detector: t computes for seconds in one
// goroutine. The detector finds nothing in it, and makes it many times slower.
func Sequential(t testing.TB) {
	t.Helper()
	if Raced {
		t.Skip("one goroutine: the runs without the race detector run it")
	}
}
