package secret

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
)

// Secret is a declared secret: an identity and its reads. Make one with
// [Static], [Random] or [Generated] (in a test, with [Literal]). It is safe for
// concurrent use, and shows
// its address but never a value under any verb of fmt, in JSON or in a log.
//
// Reads use Options.Store, else the App's store, else the environment. Without
// an App every read asks the store; a text that has not changed is not parsed
// again. After an App's Start, reads return from memory.
type Secret struct {
	// Atomic pointers hide stores and values from reflection.
	decl   atomic.Pointer[declaration] // set once
	loader atomic.Pointer[loader]      // its own, or that of the App that it was last given to
	live   atomic.Pointer[Document]    // set by an App: reads return it without asking the store
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

// declared returns s, or the undeclared secret for a Secret that no constructor
// made.
func (s *Secret) declared() *Secret {
	if s == nil || s.decl.Load() == nil {
		return undeclared
	}
	return s
}

// Address returns the secret's address, with the namespace filled in.
func (s *Secret) Address() Address { return s.declaration().addr }

// Binding returns the name of the variable, file or Worker binding that holds
// the value: Options.Binding, else the name derived from the address, see
// [Address.Binding].
func (s *Secret) Binding() string { return s.declaration().binding }

// Kind returns the kind of the declaration: who supplies the value.
func (s *Secret) Kind() Kind { return s.declaration().kind }

// Err returns the fault of the declaration, or nil. The error wraps
// [ErrInvalid] and names each option that breaks a rule, its value and the
// allowed values. Every read returns the same error.
func (s *Secret) Err() error { return s.declaration().err }

// With returns a copy of the secret that reads another store: for a test, or
// for one tenant of many. The copy belongs to no App, and s does not change. A
// nil store means the environment.
func (s *Secret) With(store Store) *Secret {
	d := *s.declaration()
	if d.addr == (Address{}) { // no store has a value of it
		d.err = undeclared.declaration().err
		if d.isLiteral() {
			d.err = &Error{Op: "declare", Err: because(ErrInvalid, "a Literal has no address, so no store has a value of it; "+
				"declare the secret, or make another Literal")}
		}
	}
	d.Store = store
	return newSecret(&d)
}

// Load returns the whole document in one read: all reads of the document are
// consistent, even if the stored value changes meanwhile. Under an App that has
// started, Load returns from memory and ignores ctx.
//
// Errors are of type [*Error] and wrap [ErrNotFound], [ErrEmpty],
// [ErrMalformed], [ErrTooLarge], [ErrInvalid], an error of the store or the
// error of ctx.
func (s *Secret) Load(ctx context.Context) (*Document, error) {
	s = s.declared()
	if doc := s.live.Load(); doc != nil {
		if err := doc.data().err(); err != nil {
			return nil, err
		}
		return doc, nil
	}
	l := s.loader.Load()
	if l.owner != nil {
		// the App has not started: the first read loads the document, and the App keeps
		// it
		return l.owner.read(ctx)
	}
	return l.load(ctx, l.store)
}

// Refresh loads the secret from the store now. Under an App, reads then return
// that document. Concurrent calls share one load, which may take 10 seconds
// (under an App AppOptions.Timeout). A caller whose ctx ends leaves without
// disturbing the others. Errors are those of [Secret.Load]; after an error
// reads return the same document as before.
func (s *Secret) Refresh(ctx context.Context) error {
	_, err := s.declared().loader.Load().refresh(ctx)
	return err
}

// Current reads the version for new work: the one that the document marks, else
// its last.
func (s *Secret) Current() Ref { return Ref{s: s} }

// Version reads the version with that id, expired or not. If there is none, the
// read fails with [ErrVersionNotFound].
func (s *Secret) Version(id string) Ref { return Ref{s: s, pick: pickVersion, id: id} }

// At reads the version that was in force at t: see [Document.At]. If there was
// none, the read fails with [ErrNotActive].
func (s *Secret) At(t time.Time) Ref { return Ref{s: s, pick: pickAt, t: t} }

// ActiveVersion reads the version with that id if it has not expired, for
// tokens that contain the id of their key. Otherwise the read fails with
// [ErrVersionNotFound] or [ErrNotActive].
func (s *Secret) ActiveVersion(id string) Ref { return Ref{s: s, pick: pickActiveVersion, id: id} }

// Active returns the versions that a program must accept now: every version
// that has not expired, the current one first. Announced versions are included:
// the clock or the copy of another machine may be ahead, and that machine may
// use such a version already. ActiveAt(now) leaves them out, because their
// activeFrom is after now.
//
// If there is none, the result is an empty slice and no error. The slice
// belongs to the caller. If Active has to ask the store, it waits up to 10
// seconds, like [Ref.Text].
func (s *Secret) Active() ([]Version, error) {
	doc, err := s.loadNow()
	if err != nil {
		return nil, err
	}
	return doc.Active(time.Now()), nil
}

// ActiveAt returns every version whose life includes t (activeFrom <= t <
// expiresAt), otherwise like [Secret.Active]. To accept or reject something now
// use Active: ActiveAt(now) leaves announced versions out.
func (s *Secret) ActiveAt(t time.Time) ([]Version, error) {
	doc, err := s.loadNow()
	if err != nil {
		return nil, err
	}
	return doc.ActiveAt(t), nil
}

// loadNow is Load for reads without a context.
func (s *Secret) loadNow() (*Document, error) {
	ctx, cancel := s.limit()
	defer cancel()
	return s.Load(ctx)
}

// limit returns the context for reads without one. A read from memory needs no
// timer.
func (s *Secret) limit() (context.Context, context.CancelFunc) {
	if s.memory() != nil {
		return context.Background(), func() {}
	}
	return timeout.Context(context.Background(), timeout.Default)
}

// memory returns the document that reads return without asking the store, or
// nil.
func (s *Secret) memory() *Document {
	if s == nil {
		return nil
	}
	return s.live.Load()
}
