package secret

import (
	"context"
	"time"
)

// background is off: in workerd a timer that one request started breaks the next request of the same instance.
const background = false

// withPatience sets no timer, for the same reason. Without one there is nothing to cancel.
func withPatience(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	return ctx, func() {}
}
