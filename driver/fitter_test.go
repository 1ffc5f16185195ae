package driver_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
)

func TestNoRoomNamesTheFirst(t *testing.T) {
	full := errors.New("the object is full")
	for want, e := range map[string]driver.NoRoom{
		"no room":                           {},
		"A: the object is full":             {"A": full},
		"A, and 2 more: the object is full": {"C": errors.New("other"), "A": full, "B": full},
	} {
		require.EqualError(t, e, want)
		require.Equal(t, len(e) > 0, errors.Is(e, full))
	}
}
