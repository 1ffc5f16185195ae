// Package resend implements a ledger on an engine behind a network, where an
// answer may be lost after the change was made. It recognizes its own writes. It
// resends a write only with the same condition as the first time.
package resend

import (
	"context"

	"github.com/layeron-hq/secret/layer/rotate"
)

// Engine stores one blob and its revision. Its errors are [*Failure]; any other
// error counts as Refused.
type Engine interface {
	// Fetch reads the blob. The answer must include every acknowledged change.
	Fetch(ctx context.Context) (Blob, error)
	// Send replaces the blob of revision old with one request. It must not retry.
	// Revision "" means that there is no blob. Send returns the new revision, never
	// "".
	Send(ctx context.Context, old rotate.Revision, sealed []byte) (rotate.Revision, error)
}

// Tearer is an Engine whose server may answer with part of a blob while the blob
// is being replaced. A damaged blob is read again for some seconds.
type Tearer interface {
	Engine
	// Torn returns the advice for a blob that stays damaged.
	Torn() string
}

// Blob is the content of an engine: a sealed state.
type Blob struct {
	Sealed   []byte
	Revision rotate.Revision // "": there is no blob
}

// Outcome is the effect of a failed request.
type Outcome int

const (
	// Refused: the request was not applied, and a second one would not be either.
	Refused Outcome = iota
	// Conflict: the request was not applied, because the revision is another.
	Conflict
	// Unknown: the request may have been applied, or may still be. A Fetch may be
	// tried again.
	Unknown
)

// Failure is the reason why a request failed. Its text shows no part of a
// credential or of the request. It wraps no error of package rotate: package
// resend decides which error applies to a change.
type Failure struct {
	Outcome Outcome
	Err     error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }
