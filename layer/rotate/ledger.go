package rotate

import (
	"context"
	"errors"
	"fmt"

	"github.com/layeron-hq/secret"
)

// Ledger holds one [State], durably. rotatetest.TestLedger tests an implementation.
//
// A Ledger may be used concurrently. What it stores must be sealed ([Seal]) wherever others can read it.
type Ledger interface {
	// Load returns the state and its revision, which is never older than what a CompareAndSwap has acknowledged to anybody.
	// Nothing there yet: an error that wraps [ErrNotFound], and Revision "", from which CompareAndSwap creates.
	Load(ctx context.Context) (State, Revision, error)
	// CompareAndSwap replaces the state of revision old by next, which [Commit] has prepared, and returns the new revision.
	// It changes nothing and wraps [ErrConflict] when the revision is another by now; [ErrSuperseded] when next was stored
	// and somebody has built on it since; [ErrUnknown] when it cannot tell. After any other error nothing was stored.
	CompareAndSwap(ctx context.Context, old Revision, next State) (Revision, error)
}

// Locker is a Ledger that serves one run at a time: Lock waits until no other process works on it, or until ctx ends. An
// Operator holds the lock for a whole operation.
type Locker interface {
	Lock(ctx context.Context) (unlock func() error, err error)
}

// Confirmer is a Ledger that remembers the states that were confirmed, to refuse
// older ones and other ledgers later. Confirmed is called with the state of the last
// Load or CompareAndSwap after the target has shown a note that this state contains,
// and none of a later generation.
type Confirmer interface {
	Confirmed(ctx context.Context, s State)
}

// Revision names a stored state. It is opaque; "" means that there is none yet.
type Revision string

var (
	// ErrNotFound: there is no ledger yet. It is [secret.ErrNotFound].
	ErrNotFound = secret.ErrNotFound
	// ErrConflict: somebody was faster; load again.
	ErrConflict = errors.New("the ledger was changed by another run")
	// ErrSuperseded: the change was stored, and somebody has built on it since. It must not be applied again. It wraps
	// ErrConflict.
	ErrSuperseded = fmt.Errorf("%w, after this change was stored", ErrConflict)
	// ErrNotPrepared: a state that Commit has not prepared was to be stored.
	ErrNotPrepared = errors.New("a state is stored with Commit, which prepares it")
	// ErrUnknown: nobody can tell whether the change was stored; it may even be stored later.
	ErrUnknown = errors.New("it is not known whether the change was stored")
)

// Commit stamps next as the successor of what it was made from (generation + 1, an id of its own for this write) and swaps
// it in. It returns the state as it was stored.
func Commit(ctx context.Context, l Ledger, old Revision, next State) (State, Revision, error) {
	next = next.stamped()
	rev, err := l.CompareAndSwap(ctx, old, next)
	if err != nil {
		return State{}, "", err
	}
	return next, rev, nil
}
