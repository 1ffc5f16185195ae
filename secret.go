package secret

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
)

// Secret is a declared secret: an identity, and the reads that go with it. Make one with [Static], [Random] or
// [Generated]. It is safe for concurrent use, and shows its address but never a value under any verb of fmt, in JSON or in
// a log.
//
// Reads look in Options.Store, else in the App's store, else in the environment. Without an App every read asks the
// store; a text that has not changed is not parsed again. With one that has started, reads come from memory.
type Secret struct {
	// Atomic pointers keep stores and values out of reflection's sight.
	decl   atomic.Pointer[declaration] // set once
	loader atomic.Pointer[loader]      // its own, or the App's that it was last given to
	live   atomic.Pointer[Document]    // reads return it without asking: set by an App
}

func declare(kind Kind, o Options) *Secret { return newSecret(newDeclaration(kind, o)) }

func newSecret(d *declaration) *Secret {
	s := new(Secret)
	s.decl.Store(d)
	s.loader.Store(newLoader(d, nil))
	return s
}

var undeclared = newSecret(&declaration{err: &Error{Op: "declare",
	Err: because(ErrInvalid, "a Secret that was not made by Static, Random or Generated")}})

func (s *Secret) declaration() *declaration { return s.declared().decl.Load() }

// declared returns s, or what stands for a Secret that no constructor made.
func (s *Secret) declared() *Secret {
	if s == nil || s.decl.Load() == nil {
		return undeclared
	}
	return s
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
	return newSecret(&d)
}

// Load returns the whole document in one read: what is then asked of it is consistent, however the stored value changes
// meanwhile. Under an App that has started it comes from memory and ctx plays no part.
//
// Errors are of type [*Error] and wrap [ErrNotFound], [ErrEmpty], [ErrMalformed], [ErrTooLarge], [ErrInvalid], or what the
// store or ctx says.
func (s *Secret) Load(ctx context.Context) (*Document, error) {
	s = s.declared()
	if doc := s.live.Load(); doc != nil {
		if err := doc.data().err; err != nil {
			return nil, err
		}
		return doc, nil
	}
	l := s.loader.Load()
	if l.owner != nil {
		return l.owner.read(ctx) // an App that has not started: the first read loads, and is kept
	}
	return l.load(ctx, l.store)
}

// Refresh asks the store now, under an App too, where reads then return what it found. Calls at the same time share one
// load, which is given 10 seconds (under an App AppOptions.Timeout); a caller whose ctx ends leaves without disturbing the
// others. Errors are those of [Secret.Load]; what was read before stays.
func (s *Secret) Refresh(ctx context.Context) error {
	_, err := s.declared().loader.Load().refresh(ctx)
	return err
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
	s = s.declared()
	if s.live.Load() != nil {
		return s.Load(context.Background())
	}
	ctx, cancel := timeout.Context(context.Background(), timeout.Default)
	defer cancel()
	return s.Load(ctx)
}
