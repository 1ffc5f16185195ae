// Package resend makes a ledger of an engine that answers over a network, where an answer may be lost after the change was
// made. It recognises its own writes, and sends one again only under the condition that it was first sent under.
package resend

import (
	"context"

	"github.com/layeron-hq/secret/layer/rotate"
)

// Engine holds one blob and its revision. Its errors are [*Failure]; another error counts as refused.
type Engine interface {
	// Fetch reads the blob, from where every acknowledged change is seen.
	Fetch(ctx context.Context) (Blob, error)
	// Send replaces the blob of revision old, "" being none, by one request: it sends nothing again by itself. It returns the
	// new revision, never "".
	Send(ctx context.Context, old rotate.Revision, sealed []byte) (rotate.Revision, error)
}

// Tearer is an Engine whose server may answer with part of a blob while the blob
// is being replaced. A damaged one is read again for some seconds.
type Tearer interface {
	Engine
	// Torn returns the advice for a blob that stays damaged.
	Torn() string
}

// Blob is what an engine holds: a sealed state.
type Blob struct {
	Sealed   []byte
	Revision rotate.Revision // "": there is none
}

// Outcome is what a failed request has come to.
type Outcome int

const (
	// Refused: the request was not carried out, and the next one would not be either.
	Refused Outcome = iota
	// Conflict: it was not carried out, because the revision is another.
	Conflict
	// Unknown: it may have been carried out, or still be. A Fetch may be tried again.
	Unknown
)

// Failure is why a request failed, in words that show nothing of a credential or of what was sent. It wraps none of the errors
// of package rotate: what they mean for a change is found out here.
type Failure struct {
	Outcome Outcome
	Err     error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }
