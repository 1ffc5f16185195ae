package secret

import (
	"context"
	"hash/maphash"
	"sync/atomic"
	"time"
)

// Secret is a declared secret: an identity, and the reads that go with it. Make one with [Static], [Random] or
// [Generated]. It is safe for concurrent use, and shows its address but never a value under any verb of fmt, in JSON or in
// a log.
//
// Reads look in Options.Store, else in the App's store, else in the environment. Without an App every read asks the
// store; a text that has not changed is not parsed again.
type Secret struct {
	decl atomic.Pointer[declaration] // set once. Pointers keep stores and values out of reflection's sight
	last atomic.Pointer[loaded]      // what the last load gave
}

// loaded is a document and the print of the text that it was parsed from.
type loaded struct {
	print fingerprint
	doc   *Document
}

func declare(kind Kind, o Options) *Secret {
	s := new(Secret)
	s.decl.Store(newDeclaration(kind, o))
	return s
}

var undeclared = &declaration{err: &Error{Op: "declare", Offset: -1,
	Err: because(ErrInvalid, "a Secret that was not made by Static, Random or Generated")}}

func (s *Secret) declaration() *declaration {
	if s != nil {
		if d := s.decl.Load(); d != nil {
			return d
		}
	}
	return undeclared
}

// Address returns the secret's address, with the namespace filled in.
func (s *Secret) Address() Address { return s.declaration().addr }

// Binding returns the name of the variable, file or Worker binding that holds the value: see [Address.Binding].
func (s *Secret) Binding() string { return s.declaration().binding }

// Kind tells who supplies the value.
func (s *Secret) Kind() Kind { return s.declaration().kind }

// Err returns what is wrong with the declaration, or nil. It wraps [ErrInvalid] and names each option that breaks a rule,
// the value given and what is allowed. Every read returns the same error.
func (s *Secret) Err() error { return s.declaration().err }

// With returns the same declaration on another store: for a test, or for one tenant of many. The result belongs to no App,
// s stays as it is. A nil store means the environment.
func (s *Secret) With(store Store) *Secret {
	d := *s.declaration()
	d.Store = store
	other := new(Secret)
	other.decl.Store(&d)
	return other
}

// Load returns the whole document in one read: what is then asked of it is consistent, however the stored value changes
// meanwhile. Errors are of type [*Error] and wrap [ErrNotFound], [ErrEmpty], [ErrMalformed], [ErrTooLarge], [ErrInvalid],
// or what the store or ctx says.
func (s *Secret) Load(ctx context.Context) (*Document, error) {
	d := s.declaration()
	if d.err != nil {
		return nil, d.err
	}
	store := d.Store
	if store == nil {
		store = Env()
	}
	text, err := store.Get(ctx, d.addr)
	if err != nil {
		return nil, &Error{Op: "load", Address: d.addr, Offset: -1, Err: err}
	}
	print := fingerprintOf(text)
	if last := s.last.Load(); last != nil && last.print == print {
		return last.doc, nil
	}
	data, err := parse(text, d.Format)
	if err != nil {
		e := *err.(*Error)
		e.Op, e.Address, e.Where = "load", d.addr, locate(store, d.addr)
		return nil, &e
	}
	data.addr, data.rule = d.addr, d.keyRule()
	doc := newDocument(data)
	s.last.Store(&loaded{print, doc})
	return doc, nil
}

// Current is the version to use for new work: the one that the document marks, else its last.
func (s *Secret) Current() Ref { return Ref{s: s} }

// Version is the version with that id, expired or not; where there is none the read fails with [ErrVersionNotFound].
func (s *Secret) Version(id string) Ref { return Ref{s: s, pick: pickVersion, id: id} }

// At is the version that was in force at t: see [Document.At]. Where none was the read fails with [ErrNotActive].
func (s *Secret) At(t time.Time) Ref { return Ref{s: s, pick: pickAt, t: t} }

// ActiveVersion is the version with that id if it has not expired, for tokens that name their key; else the read fails with
// [ErrVersionNotFound] or [ErrNotActive].
func (s *Secret) ActiveVersion(id string) Ref { return Ref{s: s, pick: pickActiveVersion, id: id} }

// Active returns what to accept now: see [Document.Active]. None is an empty slice, not an error. The slice is the
// caller's. Like [Ref.Text] it gives a store that has to be asked 10 seconds.
func (s *Secret) Active() ([]Version, error) {
	doc, err := s.loadNow()
	if err != nil {
		return nil, err
	}
	return doc.Active(time.Now()), nil
}

// ActiveAt returns every version whose life includes t, otherwise like [Secret.Active].
func (s *Secret) ActiveAt(t time.Time) ([]Version, error) {
	doc, err := s.loadNow()
	if err != nil {
		return nil, err
	}
	return doc.ActiveAt(t), nil
}

// loadNow is Load for reads that take no context.
func (s *Secret) loadNow() (*Document, error) {
	ctx, cancel := patience()
	defer cancel()
	return s.Load(ctx)
}

// fingerprint tells texts apart without keeping them: a document does not always hold its text, and need not keep two
// copies of a value. Its seeds are random, so nobody can make two texts collide.
type fingerprint struct {
	size int
	a, b uint64
}

var seedA, seedB = maphash.MakeSeed(), maphash.MakeSeed()

func fingerprintOf(text string) fingerprint {
	return fingerprint{len(text), maphash.String(seedA, text), maphash.String(seedB, text)}
}
