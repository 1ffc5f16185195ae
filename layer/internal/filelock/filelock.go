// Package filelock locks files against other processes of this machine.
package filelock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/layeron-hq/secret/layer/internal/atomicfile"
)

// Lock is an advisory lock on a file that has no other purpose, since a file
// that is replaced by renaming cannot be locked itself. The system releases it
// when the process ends. The file stays: removing it would let two processes in
// at once.
//
// Another user may be able to write the file's folder and put a link in its
// place. So a link is not followed, a file with a second name or with other
// content is refused, and everything goes through the one descriptor that has
// the lock.
type Lock struct {
	file *os.File
	path string
}

// Take waits until the lock is free. If ctx ends first, the error wraps the
// cause of ctx and names the holder of the lock.
//
// A new file has mode 0600. If a group may write the file at path guarded, that
// group may take the lock too.
func Take(ctx context.Context, path, guarded string) (*Lock, error) {
	wait := time.Millisecond
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("it is locked by another run: %s. Wait for that run to end, or end it: %w", holder(path), err)
		}
		l, err := Try(path, guarded)
		if l != nil || err != nil {
			return l, err
		}
		// The system call cannot wait for a context, so Take polls. The jitter keeps
		// waiting processes from trying at the same moment.
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
		l, err := open(path, guarded)
		switch {
		case errors.Is(err, atomicfile.ErrLink):
			return nil, notLocked(path)
		case err != nil:
			return nil, explain(path, err)
		}
		got, err := atomicfile.TryLock(l.file)
		if err == nil && got && l.Check() == nil {
			l.sign()
			return l, nil
		}
		_ = l.file.Close()
		switch {
		case err != nil:
			return nil, explain(path, err)
		case !got:
			return nil, nil
		}
		// The file was removed between opening and locking: the lock excludes no
		// process.
	}
	return nil, notLocked(path)
}

// open opens the lock's file, and makes it if it is missing.
func open(path, guarded string) (*Lock, error) {
	// Over NFS an exclusive lock needs a file that is open for writing.
	file, err := atomicfile.OpenPlain(path, os.O_RDWR)
	for tries := 0; errors.Is(err, fs.ErrNotExist) && tries < 100; tries++ {
		if err = atomicfile.CreateWith(path, atomicfile.SharedWith(guarded)); err == nil || errors.Is(err, fs.ErrExist) {
			file, err = atomicfile.OpenPlain(path, os.O_RDWR)
		} else if errors.Is(err, fs.ErrNotExist) {
			break // its folder is missing
		}
	}
	if err != nil {
		return nil, err
	}
	if err := holdsNothingElse(file); err != nil {
		_ = file.Close()
		return nil, err
	}
	return &Lock{file, path}, nil
}

func notLocked(path string) error {
	return fmt.Errorf("it cannot be locked: %s is a link, or another process keeps removing it. Remove the link, or "+
		"end that process", path)
}

func explain(path string, err error) error {
	advice := "Its folder must exist, and be writable"
	switch {
	case errors.Is(err, fs.ErrPermission):
		if denied := atomicfile.Denied(path); denied != "" {
			return fmt.Errorf("it cannot be locked with %s: %w: %s", path, atomicfile.Cause(err), denied)
		}
	case errors.Is(err, errOther):
		advice = "Move that file away, or give the ledger another name"
	case errors.Is(err, atomicfile.ErrHardLink), errors.Is(err, atomicfile.ErrIrregular):
		advice = "Find out which file that is, then remove this name: the next run makes a new lock"
	}
	return fmt.Errorf("it cannot be locked with %s: %w. %s", path, atomicfile.Cause(err), advice)
}

// Check returns an error unless the locked file still is the one that other
// processes would lock.
func (l *Lock) Check() error {
	mine, err := l.file.Stat()
	if err != nil {
		return atomicfile.Cause(err)
	}
	there, err := os.Lstat(l.path)
	if err != nil || !os.SameFile(mine, there) {
		return fmt.Errorf("%s was removed or replaced while it locked the ledger, so another run may be active: make sure "+
			"that none is, then run again", l.path)
	}
	return nil
}

// Unlock releases the lock. A second call returns an error that wraps
// [os.ErrClosed].
func (l *Lock) Unlock() error {
	if err := atomicfile.Unlock(l.file); err != nil {
		return errors.Join(err, l.file.Close())
	}
	return l.file.Close()
}

// signed begins the content of a lock's file.
const signed = "process "

var errOther = errors.New("that file has other content than a lock, which would be lost")

// holdsNothingElse returns an error if a file has other content: it may be an
// identity that was moved here, or the lock of another program.
func holdsNothingElse(file *os.File) error {
	start := make([]byte, len(signed))
	n, err := file.ReadAt(start, 0)
	if err != nil && err != io.EOF {
		return err
	}
	if !bytes.HasPrefix([]byte(signed), start[:n]) {
		return errOther
	}
	return nil
}

// sign writes the holder into the lock's file, for the processes that wait. The
// lock does not depend on this text, so errors are ignored.
func (l *Lock) sign() {
	host, _ := os.Hostname()
	text := fmt.Appendf(nil, signed+"%d on %q since %s\n", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	if l.file.Truncate(0) == nil {
		_, _ = l.file.WriteAt(text, 0)
	}
}

func holder(path string) string {
	text, err := atomicfile.Read(path, 512)
	var pid int
	var host, since string
	if err == nil {
		_, err = fmt.Sscanf(string(text), signed+"%d on %q since %s", &pid, &host, &since)
	}
	hidden := func(c rune) bool { return !unicode.IsPrint(c) } // a terminal may interpret it
	if err != nil || strings.ContainsFunc(host+since, hidden) {
		return "it is not known which (check which process has " + path + " open)"
	}
	return fmt.Sprintf("process %d on %s, since %s", pid, host, since)
}
