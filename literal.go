package secret

import (
	"context"

	"github.com/layeron-hq/secret/internal/family"
)

// Literal returns a secret that holds text, for tests and for libraries that
// take a *Secret. The text is parsed like a stored one, so it may be a document
// of several versions. Reads return from memory and never change. The text is
// not shown, as that of any other secret is not.
//
// Literal never fails. [Secret.Err], every read and an App's Start return the
// fault of the text, which wraps [ErrEmpty], [ErrMalformed] or [ErrTooLarge].
//
// A Literal is static and belongs to no store: its Address is zero, its Binding
// empty, and [Secret.With] returns a secret whose reads fail with [ErrInvalid].
// An App that is given one without a fault neither loads nor reports it, and its
// Spec does not contain it. To give a test its own text for a declaration, use
// With and [NewMemory] instead.
func Literal(text string) *Secret {
	d := &declaration{kind: KindStatic, family: new(family.Family)}
	d.Store = literalStore(func() string { return text })
	data, err := parse(text, FormatAuto)
	if err != nil {
		e := err.(*Error) // parse made it for this call
		e.Op = "declare"
		d.err = e
		return newSecret(d)
	}
	data.decl = d
	s := newSecret(d)
	s.live.Store(newDocument(data))
	return s
}

// literalStore returns its text for every address: Refresh of a Literal reads
// it. A function shows no text under any verb of fmt.
type literalStore func() string

func (d *declaration) isLiteral() bool {
	_, is := d.Store.(literalStore)
	return is
}

func (text literalStore) Get(context.Context, Address) (string, error) { return text(), nil }
