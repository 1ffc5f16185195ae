package rotate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
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
