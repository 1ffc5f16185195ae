package rotate

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCompiles(t *testing.T) { require.NotNil(t, &Operator{}) }
