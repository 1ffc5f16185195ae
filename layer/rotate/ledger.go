package rotate

import (
	"context"
	"errors"
	"fmt"

	"github.com/layeron-hq/secret"
)

// This file is the interface to the ledger, the only place with
// compare-and-set. The protocol needs two properties: Load returns every change
// that was acknowledged, and of two changes from one revision at most one is
// stored. Runs that work at the same time depend on both.

// Ledger stores one [State] durably. rotatetest.TestLedger tests an
// implementation.
//
// A Ledger is safe for concurrent use. It must store the state sealed ([Seal])
// wherever others can read it.
type Ledger interface {
	// Load returns the state and its revision. The revision is never older than one
	// that a CompareAndSwap of any process has returned. If there is no state yet,
	// Load returns an error that wraps [ErrNotFound], and Revision "", from which
	// CompareAndSwap creates the state.
	Load(ctx context.Context) (State, Revision, error)
	// CompareAndSwap replaces the state of revision old by next, which [Commit] has
	// prepared, and returns the new revision. If the present revision is not old,
	// it changes nothing and the error wraps [ErrConflict]. The error wraps
	// [ErrSuperseded] if next was stored and another run has changed the ledger
	// since, and [ErrUnknown] if the outcome is unknown. After any other error
	// nothing was stored.
	CompareAndSwap(ctx context.Context, old Revision, next State) (Revision, error)
}

// Locker is a Ledger that serves one run at a time. Lock waits until no other
// process holds the lock, or until ctx ends. An Operator holds the lock for a
// whole operation.
type Locker interface {
	Lock(ctx context.Context) (unlock func() error, err error)
}

// Confirmer is a Ledger that remembers the confirmed states, so that it can
// reject older ones and other ledgers later. An [Operator] calls Confirmed with
// the state of the last Load or CompareAndSwap when the target has shown a note
// that this state contains, and no note of a later generation.
type Confirmer interface {
	Confirmed(ctx context.Context, s State)
}

// Revision names a stored state. It is opaque; "" means that there is none yet.
type Revision string

var (
	// ErrNotFound: there is no ledger yet. It is [secret.ErrNotFound].
	ErrNotFound = secret.ErrNotFound
	// ErrConflict: another run changed the ledger first. Load again.
	ErrConflict = errors.New("the ledger was changed by another run")
	// ErrSuperseded: the change was stored, and another run has changed the ledger
	// since. The change must not be applied again. It wraps ErrConflict.
	ErrSuperseded = fmt.Errorf("%w, after this change was stored", ErrConflict)
	// ErrNotPrepared: the state to be stored was not prepared by Commit.
	ErrNotPrepared = errors.New("a state is stored with Commit, which prepares it")
	// ErrUnknown: it is unknown whether the change was stored. It may still be
	// stored later.
	ErrUnknown = errors.New("it is not known whether the change was stored")
)

// Commit raises the generation of the state next by one, gives the state an id
// for this write, and stores it with CompareAndSwap. It returns the state as it
// was stored.
func Commit(ctx context.Context, l Ledger, old Revision, next State) (State, Revision, error) {
	next = next.stamped()
	rev, err := l.CompareAndSwap(ctx, old, next)
	if err != nil {
		return State{}, "", err
	}
	return next, rev, nil
}
