package secret

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// An offset of 0 is the first byte, not an unknown place.
func TestErrorMessageContainsTheOffset(t *testing.T) {
	reason := errors.New("reason")
	first := (&Error{Op: "parse", Err: reason}).at(0)
	require.EqualError(t, first, "secret: parse, at byte 0: reason")
	offset, known := first.Offset()
	require.True(t, known)
	require.Zero(t, offset)

	all := (&Error{Op: "load", Address: Address{Namespace: "auth", Name: "session-key"}, Where: "file /run/x",
		Version: "v2", Member: "value",
		Err: reason}).at(17)
	require.EqualError(t, all,
		"secret: load $SECRET.auth.session-key from file /run/x, version v2, value, at byte 17: reason")
	offset, known = all.Offset()
	require.True(t, known)
	require.Equal(t, 17, offset)
}
