package sha256_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	own "github.com/layeron-hq/secret/internal/sha256"
)

// The lengths are those around a block's end.
func TestSumMatchesTheStandardLibrary(t *testing.T) {
	for n := range 300 {
		data := bytes.Repeat([]byte{byte(n), 7}, n)[:n]
		require.Equal(t, sha256.Sum256(data), own.Sum(data), n)
	}
}
