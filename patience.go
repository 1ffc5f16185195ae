//go:build !js

package secret

import (
	"context"
	"time"
)

// background tells whether timers may run: whether an App may refresh by itself.
const background = true

// withPatience bounds a load by a timer.
func withPatience(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, errPatience(d))
}
