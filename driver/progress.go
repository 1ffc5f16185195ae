package driver

import "context"

// WithProgress returns a context for one call of a [Publisher], which reports
// the progress of the call with [Progress]. report is called by one goroutine
// at a time, during the call.
func WithProgress(ctx context.Context, report func(done int)) context.Context {
	return context.WithValue(ctx, progressKey{}, report)
}

// Progress reports that so many items or names of the present call are done,
// successful or not. A [Publisher] may call it after each request, with a
// number that never falls. It does nothing if the caller does not ask for
// progress.
func Progress(ctx context.Context, done int) {
	if report, ok := ctx.Value(progressKey{}).(func(int)); ok {
		report(done)
	}
}

type progressKey struct{}
