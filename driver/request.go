package driver

import "context"

// Request is the part of a declaration and of the ledger that a
// [RequestGenerator] needs beside the name of a value.
type Request struct {
	// Address is the secret's address, such as "$SECRET.billing.stripe-key".
	Address string
	// Params are the declared parameters. They are those of the value's own
	// request if the secret is no longer declared with this generator.
	Params map[string]string
	// InUse are the ids of the values in use, each once: that of the current
	// version first, then those of the other versions that have not ended. It is set
	// for Make only.
	InUse []string
}

// RequestGenerator is a [Generator] that depends on the declaration for every
// step: For returns a Generator for one secret. The engine calls no other
// method of a RequestGenerator. The result of For may be a [Tester].
type RequestGenerator interface {
	Generator
	For(r Request) Generator
}

// Tester is a [Generator] that can test whether a value works.
type Tester interface {
	// Test returns nil if the value works now, and changes nothing. The engine calls
	// it before it announces a new value, again until it succeeds or a minute has
	// passed, and before a rollback publishes an older value again. A value that does
	// not work is never published. An error that wraps errors.ErrUnsupported means
	// that this generator cannot test: the value is published untested.
	Test(ctx context.Context, made Made) error
}

// Limited is a [Generator] that may be unable to end a value, such as a program
// of the operator's own.
type Limited interface {
	// CanRetire reports whether Retire can end a value, and changes nothing. An error
	// means that this is not known. The engine calls it before it records a change
	// that gives up a value, to warn the operator. The change is carried out in any
	// case, and Retire is called too.
	CanRetire(ctx context.Context) (bool, error)
}

// Bounded is a [Generator] of which only a few values work at a time, such as
// two database roles that take turns.
type Bounded interface {
	// MostInUse returns the largest number of values in use. The engine refuses a
	// declaration that would need more, and asks for no new value while that many are
	// in use.
	MostInUse() int
}
