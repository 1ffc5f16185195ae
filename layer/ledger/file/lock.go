package file

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/layeron-hq/secret/layer/internal/filelock"
)

var errNoLock = errors.New("the lock was released already")

// Lock implements [rotate.Locker]. It waits until no other process, and no other
// caller of this Ledger, holds the lock of the file. While the lock is held,
// CompareAndSwap of this Ledger works as before, and a second Lock waits. If ctx
// ends first, the error wraps its cause, and names the holder of the lock if that
// is known.
func (l *Ledger) Lock(ctx context.Context) (unlock func() error, err error) {
	select {
	case l.gate <- struct{}{}:
	default: // only then the error below is right
		select {
		case l.gate <- struct{}{}:
		case <-ctx.Done():
			return nil, l.explain(fmt.Errorf("another part of this program holds its lock: %w", context.Cause(ctx)))
		}
	}
	lock, err := filelock.Take(ctx, l.lockPath, l.path)
	if err != nil {
		<-l.gate
		return nil, l.explain(err)
	}
	l.mu.Lock()
	l.lock = lock
	l.mu.Unlock()
	var once sync.Once
	return func() error {
		err := errNoLock
		once.Do(func() {
			l.mu.Lock()
			l.lock = nil
			err = lock.Unlock()
			l.mu.Unlock()
			<-l.gate
		})
		return err
	}, nil
}

// locked calls do under the lock. It takes the lock if this Ledger does not hold
// it.
func (l *Ledger) locked(ctx context.Context, do func() error) error {
	if done, err := l.ifLocked(do); done {
		return err
	}
	unlock, err := l.Lock(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }() // even if it fails, closing the file releases the lock
	_, err = l.ifLocked(do)
	return err
}

func (l *Ledger) ifLocked(do func() error) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock == nil {
		return false, nil
	}
	return true, do()
}
