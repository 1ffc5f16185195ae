package rotate

import (
	"context"
	"errors"

	"github.com/layeron-hq/secret"
)

// Publisher puts texts where readers look. rotatetest.TestPublisher tests an implementation.
//
// An Operator calls one method at a time. No error of a Publisher shows a text or a credential.
type Publisher interface {
	// Publish creates or replaces the named values: text and note in one request, and each sent once, without a retry. The
	// errors stand at their item's index: the slice is nil, which means that all went well, or as long as items. One item's
	// failure does not keep the others back. An error that wraps [ErrNotApplied] promises that this request was not carried out
	// and never will be; after any other one nobody knows.
	Publish(ctx context.Context, items []Item) []error
	// Inspect tells what stands under these names now. A name that is absent from the map has no value. One request should
	// serve many names.
	Inspect(ctx context.Context, names []string) (map[string]Published, error)
}

// Item is one value to publish.
type Item struct {
	// Name is what [Namer] says, else the secretName of the spec.
	Name string
	// Text is 1 to 65,536 bytes of UTF-8.
	Text Value
	// Note is stored beside the text, at most 200 characters of ASCII. It shows nothing of the text.
	Note string
}

// Published is what a Publisher tells of one value.
type Published struct {
	// Note is what stands beside the text; empty where there is none.
	Note string
	// Modified names this state of the value: it stays while nobody writes, and is another once the text is another, by
	// whomever. A store that keeps times gives another for every write, so that a value replaced and put back shows too; a
	// digest of the text cannot tell that. It may be a digest of a guessable value: it is never shown.
	Modified string
	// Pending: the store has accepted the value and readers cannot read it yet.
	Pending bool
}

// ErrNotApplied marks a request that certainly has had, and will have, no effect.
var ErrNotApplied = errors.New("not applied")

// Namer is a Publisher that names values otherwise than by the secretName of the spec.
type Namer interface {
	NameOf(spec secret.Spec, s secret.SpecSecret) string
}

// Checker is a Publisher that can tell beforehand that values cannot be created: no permission, no room. It is asked before
// the ledger is changed, with the names that the run will create.
type Checker interface {
	Check(ctx context.Context, create []string) error
}

// Recognizer is a Publisher that writes value and note one after the other: a crash in between leaves a value without its
// note. ModifiedOf returns what Published.Modified is for a text, so that the value is known for ours.
type Recognizer interface {
	ModifiedOf(text Value) string
}

// Remover is a Publisher that can delete values. A name that has no value is no error; errors are as those of Publish.
type Remover interface {
	Remove(ctx context.Context, names []string) []error
}
