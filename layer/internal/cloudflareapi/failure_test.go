package cloudflareapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func FuzzRetryAfter(f *testing.F) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, header := range []string{"", "7", "0.5", "-1", "1e300", "NaN", "+Inf",
		at.Add(time.Hour).Format(http.TimeFormat), at.Add(-time.Hour).Format(http.TimeFormat), "soon"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		d := retryAfter(header, at)
		require.GreaterOrEqual(t, d, time.Duration(0))
		if seconds, err := strconv.ParseUint(header, 10, 16); err == nil {
			require.Equal(t, time.Duration(seconds)*time.Second, d)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	require.NoError(t, wait(t.Context(), time.Nanosecond))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the operator went home")
	cancel(why)
	require.Equal(t, why, wait(ctx, time.Hour))
}
