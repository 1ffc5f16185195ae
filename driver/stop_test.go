package driver_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
)

// A stop leaves the context of the call as it is: only the publisher sees it.
func TestStopped(t *testing.T) {
	require.NoError(t, driver.Stopped(t.Context()))
	reason := errors.New("the operator")
	stop, end := context.WithCancelCause(t.Context())
	ctx, cancel := context.WithCancelCause(driver.WithStop(t.Context(), stop))
	require.NoError(t, driver.Stopped(ctx))
	end(reason)
	require.Equal(t, reason, driver.Stopped(ctx))
	require.NoError(t, ctx.Err())
	late := errors.New("too late")
	cancel(late)
	require.Equal(t, late, driver.Stopped(ctx))
}
