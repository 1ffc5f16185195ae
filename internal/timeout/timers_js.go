package timeout

import (
	"context"
	"time"
)

// Timers is false: in workerd a timer that one request started breaks the next
// request of the same instance.
const Timers = false

// Context returns ctx unchanged, for the same reason. Without a timer there is
// nothing to cancel.
func Context(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	return ctx, func() {}
}
