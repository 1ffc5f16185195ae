// Package filelock locks files against other processes of this machine.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"github.com/gofrs/flock"

	"github.com/layeron-hq/secret/layer/internal/atomicfile"
)

// Lock is an advisory lock on a file that has no other purpose, since a file that
// is replaced by renaming cannot be locked itself. The system releases it when the
// process ends. The file stays: removing it would let two processes in at once.
type Lock struct{ *flock.Flock }

// Take waits until the lock is free, or ctx ends. The error then wraps the cause of
// ctx and names the holder of the lock.
//
// A new file has mode 0600. If a group may write the file at path guarded, that group
// may take the lock too.
func Take(ctx context.Context, path, guarded string) (*Lock, error) {
	wait := time.Millisecond
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("it is locked by another run: %s. Let that end, or end it: %w", holder(path), err)
		}
		l, err := Try(path, guarded)
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

// Try is Take, but returns nil if another process or another Lock has the lock.
func Try(path, guarded string) (*Lock, error) {
	for range 100 {
		// An error shows below too, where most locks exist already.
		_ = atomicfile.CreateWith(path, atomicfile.SharedWith(guarded))
		// Over NFS an exclusive lock needs a file that is open for writing.
		l := &Lock{flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))}
		got, err := l.TryLock()
		if errors.Is(err, fs.ErrPermission) {
			if advice := atomicfile.Denied(path); advice != "" {
				return nil, fmt.Errorf("it cannot be locked with %s: %w: %s", path, atomicfile.Cause(err), advice)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("it cannot be locked with %s: %w. Its folder must exist, and be writable", path, atomicfile.Cause(err))
		}
		if !got {
			return nil, nil
		}
		if l.Check() == nil {
			sign(path)
			return l, nil
		}
		_ = l.Unlock() // the file was removed between opening and locking: the lock excludes nobody
	}
	return nil, fmt.Errorf("it cannot be locked: %s is a link, or somebody keeps on removing it. Remove the link, or end that", path)
}

// Check returns an error unless the locked file still is the one that other
// processes would lock.
func (l *Lock) Check() error {
	mine, err := l.Stat()
	if err != nil {
		return atomicfile.Cause(err)
	}
	there, err := os.Lstat(l.Path())
	if err != nil || !os.SameFile(mine, there) {
		return fmt.Errorf("%s was removed or replaced while it locked the ledger, so another run may be at work: see that none is, then run again", l.Path())
	}
	return nil
}

// sign writes the holder into the lock's file, for the processes that wait.
// Nothing depends on it.
func sign(path string) {
	host, _ := os.Hostname()
	_ = os.WriteFile(path, fmt.Appendf(nil, "process %d on %q since %s\n", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339)), 0o600)
}

func holder(path string) string {
	text, err := atomicfile.Read(path, 512)
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
