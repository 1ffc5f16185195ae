//go:build !js

package timeout

import (
	"context"
	"time"
)

// Timers reports whether timers, and so background work, are allowed.
const Timers = true

// Context returns a copy of ctx that ends after d, with a cause that names the
// store and the limit.
func Context(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, exceeded(d))
}

// exceeded is the cause of a context that ended because the store took too
// long.
type exceeded time.Duration

func (e exceeded) Error() string {
	return "no answer from the store within " + time.Duration(e).String()
}

// Unwrap returns [context.DeadlineExceeded].
func (e exceeded) Unwrap() error { return context.DeadlineExceeded }
