package etcd

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPauseHasAFloorAndALimit(t *testing.T) {
	for try := range 100 {
		for range 100 {
			require.GreaterOrEqual(t, pause(try), 5*time.Millisecond)
			require.LessOrEqual(t, pause(try), time.Second)
		}
	}
}
