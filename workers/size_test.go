//go:build !js

package workers_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/internal/wasm"
)

// TestSize holds what a Worker pays for this library. A free plan takes 3 MB.
func TestSize(t *testing.T) {
	slow.Test(t)
	constant := wasm.Kilobytes(t, wasm.Build(t, "workers/internal/constant"))
	reader := wasm.Kilobytes(t, wasm.Build(t, "workers/internal/reader"))
	example := wasm.Kilobytes(t, wasm.Build(t, "examples/worker"))
	t.Logf("a Worker that answers a constant: %.0f KB; that reads Text: %.0f KB, %.0f more (budget 110); examples/worker: %.0f KB (budget 1,150)",
		constant, reader, reader-constant, example)
	require.LessOrEqual(t, reader-constant, 110.0)
	require.Less(t, example, 1150.0)
}
