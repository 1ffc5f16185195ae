// Package file stores a ledger in one file, encrypted with age. It suits one
// pipeline, and the file is safe to commit to git.
package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"filippo.io/age/armor"

	"github.com/layeron-hq/secret/layer/internal/atomicfile"
	"github.com/layeron-hq/secret/layer/internal/filelock"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Ledger is a [rotate.Ledger] in one file, encrypted with age, and a
// [rotate.Locker]. [ledger.Remember] adds the memory that rejects an older copy.
//
// The file is armored: git and editors may change its line ends without damage, a
// merge fails visibly, and it needs a third more bytes. After a crash at any
// moment the file contains one whole state: every change is written to a temporary
// file in the same folder, synced and renamed. An advisory lock, on a file of the
// same name with ".lock" after it, excludes other processes on this machine. Two
// clones of one file are not supported: they end in an error, never in a mixture.
//
// A Ledger is safe for concurrent use, and so are several Ledgers on one file.
type Ledger struct {
	path, lockPath string
	ids            ledger.Identities
	// step is called before each step, so that tests can fail or end the process
	// there; nil in production
	step func(what string) error

	gate chan struct{}  // has one element while this Ledger holds the lock or waits for it
	mu   sync.Mutex     // one change at a time
	lock *filelock.Lock // guarded by mu; nil while this Ledger does not hold it
}

// Options are the options of [Open].
type Options struct {
	// Identities open the ledger. One must belong to a recipient.
	Identities ledger.Identities
}

// Open returns the ledger in a file. The file need not exist yet; its folder must.
// Open resolves a symbolic link once, and reads and writes nothing.
func Open(path string, o Options) (*Ledger, error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger %s: its folder: %w: make it, or name another file", path, atomicfile.Cause(err))
	}
	real := filepath.Join(dir, filepath.Base(path))
	if info, err := os.Lstat(real); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		// Resolve the link: a rename would replace it, and each name would have its own
		// lock.
		if real, err = filepath.EvalSymlinks(real); err != nil {
			return nil, fmt.Errorf("ledger %s: it is a link that leads nowhere: %w: restore its target, or "+
				"remove the link", path, atomicfile.Cause(err))
		}
	}
	if info, err := os.Stat(real); err == nil && info.IsDir() {
		return nil, fmt.Errorf("ledger %s: it is a folder: name the file in it", path)
	}
	return &Ledger{path: real, lockPath: real + ".lock", ids: o.Identities, gate: make(chan struct{}, 1)}, nil
}

// Path returns the absolute path of the file, without links.
func (l *Ledger) Path() string { return l.path }

// Load implements [rotate.Ledger]. It waits for no lock. It removes the temporary
// files of changes that were killed.
func (l *Ledger) Load(ctx context.Context) (rotate.State, rotate.Revision, error) {
	s, rev, err := l.load(ctx)
	if err != nil {
		return rotate.State{}, "", l.explain(err)
	}
	return s, rev, nil
}

func (l *Ledger) load(ctx context.Context) (rotate.State, rotate.Revision, error) {
	if err := context.Cause(ctx); err != nil {
		return rotate.State{}, "", err
	}
	atomicfile.SweepDeadOf(l.path)
	data, err := atomicfile.Read(l.path, rotate.MaxSealed)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return rotate.State{}, "", &rotate.Problem{Kind: rotate.NoLedger,
			Err: fmt.Errorf("%w: if there should be one, look for it in git, or name the file", rotate.ErrNotFound)}
	case err != nil:
		return rotate.State{}, "", fmt.Errorf("it cannot be read: %w", err)
	}
	s, err := rotate.Unseal(data, l.ids.All()...)
	return s, revision(data), err
}

// Sync implements [ledger.Syncer]: another process may have renamed the file and
// not synced the folder yet.
func (l *Ledger) Sync() error {
	folder, err := l.folder()
	if err != nil {
		return err
	}
	defer folder.Root.Close()
	return folder.Sync()
}

func (l *Ledger) folder() (atomicfile.Folder, error) {
	return atomicfile.Open(filepath.Dir(l.path), l.step)
}

// CompareAndSwap implements [rotate.Ledger]. It takes the lock if this Ledger does
// not hold it. It refuses a change after which none of the identities could open
// the ledger.
func (l *Ledger) CompareAndSwap(ctx context.Context, old rotate.Revision, next rotate.State) (rotate.Revision, error) {
	if err := context.Cause(ctx); err != nil {
		return "", l.explain(err)
	}
	sealed, err := l.seal(next)
	if err != nil {
		return "", l.explain(err)
	}
	var rev rotate.Revision
	err = l.locked(ctx, func() (err error) {
		rev, err = l.swap(old, next, sealed)
		return err
	})
	if err != nil {
		return "", l.explain(err)
	}
	return rev, nil
}

// seal returns the new content of the file.
func (l *Ledger) seal(next rotate.State) ([]byte, error) {
	sealed, err := rotate.Seal(next, l.ids.All()...)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	text.Grow(len(sealed)*3/2 + 1024)
	w := armor.NewWriter(&text)
	_, err = w.Write(sealed)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, errors.New("it cannot be armored")
	}
	return text.Bytes(), rotate.CheckSize(text.Len(), rotate.MaxSealed)
}

// swap replaces the file. The caller holds the lock.
func (l *Ledger) swap(old rotate.Revision, next rotate.State, data []byte) (rotate.Revision, error) {
	if err := l.lock.Check(); err != nil {
		return "", err
	}
	there, err := atomicfile.Read(l.path, rotate.MaxSealed)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		there = nil
	case err != nil:
		return "", fmt.Errorf("it cannot be read: %w", err)
	}
	if found := revision(there); found != old {
		return l.other(found, there, next)
	}
	if next.WriteID() == "" {
		return "", fmt.Errorf("the change is refused: %w", rotate.ErrNotPrepared)
	}
	if err := l.replace(data); err != nil {
		return "", err
	}
	return revision(data), nil
}

// other handles a revision that is not the expected one. If the file contains this
// write already, it returns the found revision, otherwise the reason.
func (l *Ledger) other(found rotate.Revision, there []byte, next rotate.State) (rotate.Revision, error) {
	if found == "" {
		return "", fmt.Errorf("%w: the file is gone. Restore it from git or a backup, then run again",
			rotate.ErrConflict)
	}
	s, err := rotate.Unseal(there, l.ids.All()...)
	switch {
	case err != nil || !s.Wrote(next.WriteID()) || s.Origin() != next.Origin():
		return "", fmt.Errorf("%w: run again", rotate.ErrConflict)
	case s.WriteID() != next.WriteID():
		return "", rotate.ErrSuperseded
	}
	// The file has this write: its outcome was unknown before.
	if err := l.Sync(); err != nil {
		return "", unknown(err)
	}
	return found, nil
}

// replace writes the file. If it fails with rotate.ErrUnknown, the file may have
// either content after a crash; after any other error it is unchanged.
func (l *Ledger) replace(data []byte) error {
	const unchanged = "The ledger is as it was; free some space or correct the folder's permissions, then run again"
	name := filepath.Base(l.path)
	folder, err := l.folder()
	if err == nil {
		defer folder.Root.Close()
		err = folder.Sweep(atomicfile.Of(name))
	}
	if err != nil {
		return fmt.Errorf("its folder cannot be read: %w. %s", atomicfile.Cause(err), unchanged)
	}
	access, err := folder.Access(name)
	if err == nil {
		var renamed bool
		if renamed, err = folder.Put(name, data, access); renamed {
			err = nil
		}
	}
	if lost := (*atomicfile.LostAccessError)(nil); errors.As(err, &lost) {
		return fmt.Errorf("it cannot be written: %w", err)
	}
	if err != nil {
		return fmt.Errorf("it cannot be written: %w. %s", atomicfile.Cause(err), unchanged)
	}
	if err := folder.Sync(); err != nil {
		return unknown(err)
	}
	return nil
}

func unknown(err error) error {
	return fmt.Errorf("%w: it was written, and the disk did not confirm it (%w). Check the disk, then run again "+
		"to find out",
		rotate.ErrUnknown, atomicfile.Cause(err))
}

// revision returns the hash of the content, "" for nil. It is unique for a write:
// age never encrypts to the same bytes twice.
func revision(data []byte) rotate.Revision {
	if data == nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return rotate.Revision(hex.EncodeToString(sum[:]))
}

// fileError adds the path to a message, once.
type fileError struct {
	path string
	err  error
}

func (e *fileError) Error() string { return "ledger " + e.path + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

func (l *Ledger) explain(err error) error {
	var named *fileError
	if errors.As(err, &named) {
		return err
	}
	return &fileError{l.path, err}
}

// String returns "ledger " and the path.
func (l *Ledger) String() string { return "ledger " + l.path }

// Format writes the result of String under every verb and flag.
func (l *Ledger) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, l.String()) }

// MarshalText returns the result of String, for encoding/json and log/slog.
func (l *Ledger) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

var (
	_ rotate.Ledger = (*Ledger)(nil)
	_ rotate.Locker = (*Ledger)(nil)
	_ ledger.Pather = (*Ledger)(nil)
	_ ledger.Syncer = (*Ledger)(nil)
)
