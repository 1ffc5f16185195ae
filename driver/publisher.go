package driver

import (
	"context"
	"errors"
)

// Publisher is a target: it writes texts to where programs read them.
// drivertest.TestPublisher tests an implementation.
//
// The engine calls one method at a time. No error of a Publisher shows a text
// or a credential.
type Publisher interface {
	// Publish creates or replaces the named values, text and note of an item in
	// one request. It sends each request once, without retries.
	//
	// The result is nil if every item succeeded. Otherwise it has the length of
	// items, and each error is at its item's index; the failure of one item does
	// not prevent the others. An error that wraps [ErrNotApplied] promises that
	// the request had no effect and never will. After any other error the
	// outcome is unknown.
	//
	// A Publisher that needs a request for each item calls [Stopped] before each
	// one, and [Progress] after it.
	Publish(ctx context.Context, items []Item) []error
	// Inspect returns the present state of the named values. A name without a
	// value is absent from the map. One request should serve many names.
	Inspect(ctx context.Context, names []string) (map[string]Published, error)
}

// Item is one value to publish.
type Item struct {
	// Name is the value's name in the target: the result of [Namer], else
	// [Names].SecretName.
	Name string
	// Text is the stored text: 1 to 65,536 bytes of UTF-8.
	Text Value
	// Note is stored beside the text: at most 200 ASCII characters. It reveals
	// nothing about the text.
	Note string
}

// Published is the state of one value in a target. When printed, it shows its
// Note and Pending, and only whether Modified is set: under every verb of fmt,
// in JSON and in a log. Package fmt calls no method on an unexported field, so
// a struct with a Published in an unexported field needs a Format method of its
// own. fmt calls no method for %p and %w either, which are not verbs for a
// Published.
type Published struct {
	// Note is the note beside the text; empty if there is none.
	Note string
	// Modified identifies this state of the value. It stays the same while
	// nothing writes the value, and changes with the text. A target that records
	// times returns a new one for every write. Then a value that was replaced
	// and put back is detected too, which a digest of the text cannot show. It may
	// be the plain digest of a value that can be guessed, so nothing may show it.
	Modified string
	// Pending reports that the target has accepted the value, but that programs
	// cannot read it yet.
	Pending bool
}

// ErrNotApplied marks a request that had no effect and never will.
var ErrNotApplied = errors.New("not applied")

// NotApplied returns an error that wraps [ErrNotApplied] and err, and reads
// like err.
func NotApplied(err error) error { return notApplied{err} }

type notApplied struct{ error }

func (e notApplied) Unwrap() []error { return []error{ErrNotApplied, e.error} }
