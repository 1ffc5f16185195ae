package rotate

import (
	"context"
	"fmt"
	"strconv"
	"sync"
)

// MemoryLedger is a [Ledger] for tests. It lasts as long as the process. The
// zero MemoryLedger is empty and ready for use.
type MemoryLedger struct {
	mu    sync.Mutex
	n     int
	state State
}

// Load implements [Ledger].
func (l *MemoryLedger) Load(ctx context.Context) (State, Revision, error) {
	if err := context.Cause(ctx); err != nil {
		return State{}, "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == 0 {
		return State{}, "", fmt.Errorf("memory ledger: %w", ErrNotFound)
	}
	return l.state, l.revision(), nil
}

// CompareAndSwap implements [Ledger].
func (l *MemoryLedger) CompareAndSwap(ctx context.Context, old Revision, next State) (Revision, error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case old == l.revision():
	case next.WriteID() != "" && next.WriteID() == l.state.WriteID():
		return l.revision(), nil // the same write again: it is stored already
	case l.state.Wrote(next.WriteID()):
		return "", fmt.Errorf("memory ledger: %w", ErrSuperseded)
	default:
		return "", fmt.Errorf("memory ledger: %w", ErrConflict)
	}
	l.n, l.state = l.n+1, next
	return l.revision(), nil
}

func (l *MemoryLedger) revision() Revision {
	if l.n == 0 {
		return ""
	}
	return Revision(strconv.Itoa(l.n))
}
