package sha256

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"
)

// The lengths are those around the end of a block.
func TestSumMatchesTheStandardLibrary(t *testing.T) {
	for n := range 300 {
		data := bytes.Repeat([]byte{byte(n), 7}, n)[:n]
		require.Equal(t, sha256.Sum256(data), sum(data), n)
		require.Equal(t, sha256.Sum256(data), Sum(data), n)
	}
}
