package resend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	shortest = 20 * time.Millisecond
	longest  = 2 * time.Second
	// least is the shortest pause that full jitter may choose.
	least = 5 * time.Millisecond
	// maxTries bounds the requests of one kind. The pauses between 8 sends take at
	// most two and a half seconds in all.
	maxTries = 8
)

// ceiling returns the longest pause after try n. The first try is 0.
func ceiling(n int) time.Duration { return min(longest, shortest<<min(n, 10)) }

// pause waits after try n, with full jitter, so that clients that failed together
// do not retry together. If ctx ends, it returns the cause.
func pause(ctx context.Context, n int) error {
	t := time.NewTimer(max(least, rand.N(ceiling(n))))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return context.Cause(ctx)
	}
}

// Try calls do until its outcome is known, at most eight times. do must not change
// anything.
func Try(ctx context.Context, do func(context.Context) error) error {
	return retry(ctx, maxTries, 0, do)
}

// retry calls do until its outcome is known, at most tries times. The backoff
// starts only after the first short pauses.
func retry(ctx context.Context, tries, short int, do func(context.Context) error) error {
	for try := 0; ; try++ {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		err := do(ctx)
		if err == nil || outcome(err) != Unknown || try+1 == tries {
			return err
		}
		if cause := pause(ctx, max(0, try-short)); cause != nil {
			return fmt.Errorf("%w (%w)", cause, err)
		}
	}
}
