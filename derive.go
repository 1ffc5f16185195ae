package secret

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Derived is a value that a function computes from the documents of one or more
// secrets: a TLS certificate, a set of decoded credentials, a configured
// client. Make one with [Derive]: Get of the zero Derived returns an error that
// wraps [ErrInvalid]. It is safe for concurrent use, and shows the
// addresses of its secrets but never a value under any verb of fmt, in JSON or
// in a log.
type Derived[T any] struct {
	core atomic.Pointer[derivation] // an atomic pointer hides the value from reflection; set once
}

// Derive returns a [Derived], whose value f computes from the documents of
// secrets. f gets them in the order of secrets. Derive itself reads nothing and
// calls nothing, so its result can be a package variable: [Derived.Get] calls f
// when a document is new.
//
// f must be a pure function: its result depends on the documents and at most on
// the time, and it does not call Get of the same Derived. Concurrent readers
// share the result, so they must not change it. f may use [Document.Active] and
// the other reads that depend on the time: f is called again at the next instant
// at which a version of a document starts or expires.
//
// A nil f, no secrets, and a secret that no constructor made are errors of Get.
func Derive[T any](f func(docs ...*Document) (T, error), secrets ...*Secret) *Derived[T] {
	c := &derivation{secrets: slices.Clone(secrets)}
	switch {
	case f == nil:
		c.err = deriveFault("Derive was given a nil function")
	case len(secrets) == 0:
		c.err = deriveFault("Derive was given no secret")
	}
	c.call = func(docs []*Document) (any, error) {
		value, err := f(docs...)
		return &value, err
	}
	d := new(Derived[T])
	d.core.Store(c)
	return d
}

func deriveFault(why string) error { return &Error{Op: "derive", Err: because(ErrInvalid, why)} }

// Get returns the value for the current documents of the secrets. f is called
// once for each set of documents and each instant at which a version starts or
// expires: concurrent readers wait for one call, or until their ctx ends. The
// result of f is remembered for these documents, also if it is an error. Under
// an App that has started, a read of a value that is already computed takes no
// lock, allocates nothing and ignores ctx.
//
// Under an App, Get reads the documents that the App holds; the secrets may
// belong to several Apps. If f fails for a new document, Get continues to return
// the value for the last documents for which f succeeded, so a pair whose halves
// change a second apart never breaks a reader. The App logs this once, and its
// [Status] has the warning [WarnDerived] for each of the secrets, until f
// succeeds again. When a version of those last documents starts or expires, f is
// called for them again: an expired key does not remain in use. If f then fails
// for them too, Get returns the error. The last value belongs to its App:
// another App begins without one. It ends when one of the secrets is optional
// and no longer set. If AppOptions.MaxStale makes reads of one of the secrets
// fail, Get fails too.
//
// Each Get loads the secrets that have no App, concurrently and with ctx. For a
// new document of such a secret no last value is kept: if f fails, Get returns
// the error.
//
// Errors are of type [*Error]. They are those of [Secret.Load], or wrap the
// error of f, the error of ctx, or [ErrInvalid] for a Derived that Derive did
// not make. A panic in f is an error without the panic's value. The text of f's
// error is part of the error, so it must not contain a part of a value.
func (d *Derived[T]) Get(ctx context.Context) (T, error) {
	r, err := d.derivation().get(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	return *r.value.(*T), nil
}

func (d *Derived[T]) derivation() *derivation {
	if d != nil {
		if c := d.core.Load(); c != nil {
			return c
		}
	}
	return &derivation{err: deriveFault("a Derived that Derive did not make")}
}

// String returns the addresses of the secrets.
func (d *Derived[T]) String() string { return d.derivation().String() }

// Format writes the text of String, under every verb and flag.
func (d *Derived[T]) Format(f fmt.State, _ rune) { write(f, d.String()) }

// MarshalText returns the text of String, for encoding/json and log/slog.
func (d *Derived[T]) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (c *derivation) String() string {
	if len(c.secrets) == 0 {
		return "derived from no secret"
	}
	return "derived from " + addresses(c.secrets)
}

// addresses lists the secrets for a sentence.
func addresses(secrets []*Secret) string {
	var list []string
	for _, s := range secrets {
		addr := s.String()
		if s.Address() == (Address{}) { // a Literal
			addr = "a secret without an address"
		}
		if !slices.Contains(list, addr) {
			list = append(list, addr)
		}
	}
	return strings.Join(list, ", ")
}
