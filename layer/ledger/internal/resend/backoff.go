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
	// least keeps a pause from being none at all.
	least = 5 * time.Millisecond
	// maxTries bounds the requests of one kind: 8 sends take two seconds and a half at most, beside their own time.
	maxTries = 8
)

// ceiling bounds the pause after try n, the first being 0.
func ceiling(n int) time.Duration { return min(longest, shortest<<min(n, 10)) }

// pause waits after try n, full jitter so that those who failed together don't come back together. It returns the reason
// where ctx ends first.
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

// Try calls do, which changes nothing, until its outcome is known, eight times at most.
func Try(ctx context.Context, do func(context.Context) error) error {
	return retry(ctx, maxTries, 0, do)
}

// retry makes the first pauses, of that many, short ones.
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
