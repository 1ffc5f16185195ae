package main

import (
	"context"
	"sync"

	"github.com/layeron-hq/secret/layer/rotate"
)

// A command that only reads needs the ledger once. Its settings are needed to read
// the declarations, and its records are needed after that, so without this file
// each such command would load it twice: decrypt it twice, and ask for a passphrase
// or a touch of a hardware key twice.

// loadedLedger is a ledger that the command has just loaded. Its first Load returns
// that state again. Every later Load asks the ledger: the engine loads again before
// it reports a contradiction, so a state that is a few seconds old leads to no
// wrong report. It is no [rotate.Locker], so it is only for runs without a lock.
type loadedLedger struct {
	rotate.Ledger
	state rotate.State
	rev   rotate.Revision
	first sync.Once
}

// Load implements [rotate.Ledger].
func (l *loadedLedger) Load(ctx context.Context) (s rotate.State, rev rotate.Revision, err error) {
	given := false
	l.first.Do(func() { s, rev, given = l.state, l.rev, true })
	if given {
		return s, rev, context.Cause(ctx)
	}
	return l.Ledger.Load(ctx)
}

// Confirmed implements [rotate.Confirmer].
func (l *loadedLedger) Confirmed(ctx context.Context, s rotate.State) {
	if c, ok := l.Ledger.(rotate.Confirmer); ok {
		c.Confirmed(ctx, s)
	}
}

var _ rotate.Confirmer = (*loadedLedger)(nil)

// readsOnce lets the next run of an operator use the state that the command has
// loaded. The run must change nothing: a run that changes the ledger must load it
// under the lock.
func (l *layer) readsOnce(o *rotate.Operator, state rotate.State) {
	o.Ledger = &loadedLedger{Ledger: o.Ledger, state: state, rev: l.rev}
}
