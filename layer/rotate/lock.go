package rotate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// fileLock is an advisory lock on a file of its own, since the ledger is replaced by every change. The system releases it when
// the process ends, however it does. The file stays: whoever removed it would let two in at once.
type fileLock struct{ *flock.Flock }

// takeLock waits until the lock is free, or ctx ends.
func takeLock(ctx context.Context, path string) (*fileLock, error) {
	wait := time.Millisecond
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("it is locked by another run: %s. Let that end, or end it: %w", holder(path), err)
		}
		l, err := tryLock(path)
		if l != nil || err != nil {
			return l, err
		}
		// flock cannot wait for a context. The jitter keeps many that wait from trying in step.
		timer := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		wait = min(2*wait, 50*time.Millisecond)
	}
}

// tryLock returns nil where somebody else has the lock.
func tryLock(path string) (*fileLock, error) {
	for range 100 {
		// Over NFS an exclusive lock needs a file that is open for writing.
		l := &fileLock{flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))}
		got, err := l.TryLock()
		if err != nil {
			return nil, fmt.Errorf("it cannot be locked with %s: %w. Its folder must exist, and be writable", path, cause(err))
		}
		if !got {
			return nil, nil
		}
		if l.ours(path) == nil {
			sign(path)
			return l, nil
		}
		_ = l.Unlock() // removed by somebody between opening and locking: it locks nothing any more
	}
	return nil, fmt.Errorf("it cannot be locked: %s is a link, or somebody keeps on removing it. Remove the link, or end that", path)
}

// ours tells whether the file that is locked still is the one that others would lock.
func (l *fileLock) ours(path string) error {
	mine, err := l.Stat()
	if err != nil {
		return cause(err)
	}
	there, err := os.Lstat(path)
	if err != nil || !os.SameFile(mine, there) {
		return fmt.Errorf("%s was removed or replaced while it locked the ledger, so another run may be at work: see that none is, then run again", path)
	}
	return nil
}

// sign writes down who holds the lock, for those who wait. Nothing depends on it.
func sign(path string) {
	host, _ := os.Hostname()
	_ = os.WriteFile(path, fmt.Appendf(nil, "process %d on %q since %s\n", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339)), 0o600)
}

func holder(path string) string {
	text, err := readBounded(path, 512)
	var pid int
	var host, since string
	if err == nil {
		_, err = fmt.Sscanf(string(text), "process %d on %q since %s", &pid, &host, &since)
	}
	if err != nil {
		return "it is not known which (see who has " + path + " open)"
	}
	return fmt.Sprintf("process %d on %s, since %s", pid, host, since)
}

var errNoLock = errors.New("the lock was released already")

// Lock is [Locker]'s. It waits until no other process, and no other caller of this File, works on the ledger. While it is held,
// CompareAndSwap of this File works as without; a second Lock waits. When ctx ends first, the error wraps its cause and
// says who may have the lock.
func (f *File) Lock(ctx context.Context) (unlock func() error, err error) {
	select {
	case f.gate <- struct{}{}:
	case <-ctx.Done():
		return nil, f.explain(fmt.Errorf("another part of this program works on it: %w", context.Cause(ctx)))
	}
	l, err := takeLock(ctx, f.lockPath)
	if err != nil {
		<-f.gate
		return nil, f.explain(err)
	}
	f.mu.Lock()
	f.lock = l
	f.mu.Unlock()
	var once sync.Once
	return func() error {
		err := errNoLock
		once.Do(func() {
			f.mu.Lock()
			f.lock = nil
			err = l.Unlock()
			f.mu.Unlock()
			<-f.gate
		})
		return err
	}, nil
}

// locked runs do under the lock, which it takes where this File does not have it.
func (f *File) locked(ctx context.Context, do func() error) error {
	if done, err := f.ifLocked(do); done {
		return err
	}
	unlock, err := f.Lock(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }() // closing the file releases it in any case
	_, err = f.ifLocked(do)
	return err
}

func (f *File) ifLocked(do func() error) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lock == nil {
		return false, nil
	}
	return true, do()
}
