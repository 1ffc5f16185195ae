package driver

import "context"

// WithStop returns a context for one call of a [Publisher], whose caller wants
// the call to return soon once stop has ended. The returned context itself does
// not end then, so that a request that has begun can be finished: after the end
// of its context its outcome would be unknown.
func WithStop(ctx, stop context.Context) context.Context {
	return context.WithValue(ctx, stopKey{}, stop)
}

// Stopped returns the reason why no other request of the present call should
// begin: the cause of the end of ctx, or of the stop of [WithStop]. It returns
// nil if the call may go on. A [Publisher] that needs a request for each item
// calls it before each request. After a stop it finishes the requests that it
// has begun, and returns the reason as the error of every other item, with
// [NotApplied].
func Stopped(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if stop, ok := ctx.Value(stopKey{}).(context.Context); ok {
		return context.Cause(stop)
	}
	return nil
}

type stopKey struct{}
