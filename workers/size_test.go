//go:build !js

package workers_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/internal/wasm"
)

// TestWorkerSizesStayWithinTheBudget holds the sizes that a Worker pays for
// this library, over a Worker of the same toolchain without it. A free plan
// takes 3 MB.
func TestWorkerSizesStayWithinTheBudget(t *testing.T) {
	slow.Test(t)
	constant := wasm.Kilobytes(t, wasm.Build(t, "workers/internal/constant"))
	reader := wasm.Kilobytes(t, wasm.Build(t, "workers/internal/reader"))
	example := wasm.Kilobytes(t, wasm.Build(t, "examples/worker"))
	t.Logf("a Worker that answers a constant: %.1f KB; that reads Text: %.1f more (budget 105); examples/worker: %.1f "+
		"more (budget 255)",
		constant, reader-constant, example-constant)
	require.LessOrEqual(t, reader-constant, 105.0)
	require.LessOrEqual(t, example-constant, 255.0)
}
