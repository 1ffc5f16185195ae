package driver_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
)

func TestProgressReachesTheCaller(t *testing.T) {
	driver.Progress(t.Context(), 1) // without a caller that asks for it
	var done []int
	ctx, cancel := context.WithCancel(driver.WithProgress(t.Context(), func(n int) { done = append(done, n) }))
	driver.Progress(ctx, 1)
	cancel()
	driver.Progress(ctx, 3)
	require.Equal(t, []int{1, 3}, done)
}
