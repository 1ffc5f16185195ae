package rotate

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

	"filippo.io/age"
	"filippo.io/age/armor"
)

// File is a Ledger in one file, encrypted with age, and a Locker. The file is armored: it survives what git and editors do to
// the ends of lines, a merge of it fails where people see it, and it costs a third more bytes.
//
// Whatever crashes, and whenever, the file holds one whole state: every change is written beside it, brought to the disk and
// renamed. An advisory lock, on a file of the same name with ".lock" after it, keeps other processes of this machine out.
// Two clones of one file are not supported: they end in an error, never in a mixture.
//
// A File may be used concurrently, and several at once on one file.
type File struct {
	path, lockPath string
	memory

	ids  Identities
	disk disk

	gate chan struct{} // holds one element while this File has, or waits for, the lock
	mu   sync.Mutex    // one change at a time
	lock *fileLock     // guarded by mu; nil while this File does not have it
}

// FileOptions are what [OpenFile] takes beside the path.
type FileOptions struct {
	// Identities open the ledger. One of them must belong to a recipient.
	Identities Identities
	// Seen is the file that remembers which ledgers were seen on this machine, and should be in .gitignore. Empty: layer.seen
	// beside the ledger.
	Seen string
	// Adopt is the person's word that the ledger is the right one, whatever Seen remembers. It is remembered from then on.
	Adopt bool
	// Peek: what Adopt lets pass is not remembered. For a dry run, after which the ledger is refused as before.
	Peek bool
}

// 64 MiB are ten times a ledger of a hundred secrets with the largest documents.
const maxLedger = 64 << 20

// OpenFile returns the ledger in a file, which need not exist yet; its folder must. A link is followed, once. Nothing is read
// or written yet.
func OpenFile(path string, o FileOptions) (*File, error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger %s: its folder: %w: make it, or name another file", path, cause(err))
	}
	real := filepath.Join(dir, filepath.Base(path))
	if info, err := os.Lstat(real); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		// A rename would replace the link, and each name would have a lock of its own.
		if real, err = filepath.EvalSymlinks(real); err != nil {
			return nil, fmt.Errorf("ledger %s: it is a link that leads nowhere: %w: restore what it leads to, or remove it", path, cause(err))
		}
	}
	if info, err := os.Stat(real); err == nil && info.IsDir() {
		return nil, fmt.Errorf("ledger %s: it is a folder: name the file in it", path)
	}
	f := &File{path: real, lockPath: real + ".lock", ids: o.Identities, gate: make(chan struct{}, 1),
		memory: memory{seenPath: o.Seen, place: filepath.Base(real), adopt: o.Adopt, peek: o.Peek}}
	if f.seenPath == "" {
		f.seenPath = filepath.Join(filepath.Dir(real), "layer.seen")
	} else if f.seenPath, err = filepath.Abs(f.seenPath); err != nil {
		return nil, fmt.Errorf("memory of ledgers seen %s: %w", o.Seen, cause(err))
	}
	if rel, err := filepath.Rel(filepath.Dir(f.seenPath), real); err == nil {
		f.place = filepath.ToSlash(rel)
	}
	return f, nil
}

// Load is [Ledger]'s. It waits for no lock. A ledger that is damaged, older than one seen before, or another is refused, and
// the error says what to do.
func (f *File) Load(ctx context.Context) (State, Revision, error) {
	var s State
	var rev Revision
	load := func() (err error) {
		s, rev, err = f.load()
		return err
	}
	err := context.Cause(ctx)
	switch {
	case err != nil:
	case f.adopt && !f.peek:
		// What is remembered by force must be what is there.
		err = f.locked(ctx, load)
	default:
		err = load()
	}
	if err != nil {
		return State{}, "", f.explain(err)
	}
	return s, rev, nil
}

func (f *File) load() (State, Revision, error) {
	// The memory first: it is written after the ledger, so a ledger that is read later is never behind it.
	known, err := f.known()
	if err != nil {
		return State{}, "", err
	}
	data, err := readBounded(f.path, maxLedger)
	if err != nil {
		return State{}, "", f.unread(err, known)
	}
	s, err := Open(data, f.ids)
	if err != nil {
		return State{}, "", err
	}
	if known.knows(f.place, s) {
		return s, revision(data), nil
	}
	if f.adopt && f.peek {
		return s, revision(data), nil
	}
	if f.adopt {
		return s, revision(data), f.remember(known, s)
	}
	if err := known.check(f.place, s); err != nil || known.left(s) {
		return s, revision(data), err
	}
	return s, revision(data), f.rememberIfFree(data, s)
}

func (f *File) unread(err error, known seen) error {
	switch {
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("it cannot be read: %w", err)
	case known.Places[f.place] != "":
		return f.gone(known)
	}
	return fmt.Errorf("%w: `layer secret init` makes one; if there should be one, look for it in git, or name the file", ErrNotFound)
}

// rememberIfFree remembers what was found. Whoever holds the lock remembers it as well, so nobody waits for it here; and a
// machine on which nothing can be written can still read.
func (f *File) rememberIfFree(data []byte, s State) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lock == nil {
		select {
		case f.gate <- struct{}{}:
			defer func() { <-f.gate }()
		default:
			return nil
		}
		l, err := tryLock(f.lockPath)
		if l == nil || err != nil {
			return nil
		}
		defer func() { _ = l.Unlock() }()
	}
	// Somebody may have gone on, and remembered that, since the ledger was read.
	now, err := readBounded(f.path, maxLedger)
	if err != nil || !bytes.Equal(now, data) {
		return nil
	}
	known, err := readSeen(f.seenPath)
	if err != nil {
		return nil
	}
	if err := known.check(f.place, s); err != nil || known.left(s) {
		return err
	}
	_ = f.remember(known, s)
	return nil
}

// remember writes layer.seen. The caller holds the lock.
func (f *File) remember(known seen, s State) error {
	temp, err := f.disk.prepare(f.seenPath, known.with(f.place, s).encode())
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", f.seenPath, cause(err))
	}
	// The memory must not outlast what it remembers: the ledger would be refused for an older one.
	err = f.disk.sync(f.path)
	if err == nil {
		err = f.disk.commit(temp, f.seenPath)
	}
	if err != nil {
		f.disk.drop(temp)
		return fmt.Errorf("%s cannot be written: %w", f.seenPath, cause(err))
	}
	return nil
}

// CompareAndSwap is [Ledger]'s. It takes the lock for itself where this File does not hold it. A change after which none of
// the identities could open the ledger is refused.
func (f *File) CompareAndSwap(ctx context.Context, old Revision, next State) (Revision, error) {
	if err := context.Cause(ctx); err != nil {
		return "", f.explain(err)
	}
	sealed, err := f.seal(next)
	if err != nil {
		return "", f.explain(err)
	}
	var rev Revision
	err = f.locked(ctx, func() (err error) {
		rev, err = f.swap(old, next, sealed)
		return err
	})
	if err != nil {
		return "", f.explain(err)
	}
	return rev, nil
}

// seal makes what is written, and sees that it can be read.
func (f *File) seal(next State) ([]byte, error) {
	sealed, plain, err := seal(next)
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
	if text.Len() > maxLedger {
		return nil, fmt.Errorf("it would have %d bytes, and %d is the most: remove secrets, or retain versions for a shorter time", text.Len(), maxLedger)
	}
	back, err := decrypt(text.Bytes(), []age.Identity{f.ids})
	if err != nil {
		return nil, fmt.Errorf("after this change it could not be read: %w", err)
	}
	if !bytes.Equal(back, plain) {
		return nil, errors.New("what was encrypted cannot be decrypted: the memory of this machine may be failing")
	}
	return text.Bytes(), nil
}

// swap replaces the file. The caller holds the lock.
func (f *File) swap(old Revision, next State, data []byte) (Revision, error) {
	if err := f.lock.ours(f.lockPath); err != nil {
		return "", err
	}
	known, err := f.known()
	if err != nil {
		return "", err
	}
	there, err := readBounded(f.path, maxLedger)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		there = nil
	case err != nil:
		return "", fmt.Errorf("it cannot be read: %w", err)
	}
	if found := revision(there); found != old {
		return f.other(found, there, known, next)
	}
	if err := f.follows(known, next); err != nil {
		return "", fmt.Errorf("the change is refused: %w", err)
	}
	if err := f.replace(known, next, data); err != nil {
		return "", err
	}
	return revision(data), nil
}

// other tells why the revision is not the one that was expected.
func (f *File) other(found Revision, there []byte, known seen, next State) (Revision, error) {
	if found == "" {
		return "", fmt.Errorf("%w: the file is gone. Restore it from git or a backup, then run again", ErrConflict)
	}
	s, err := Open(there, f.ids)
	switch {
	case err != nil || !s.Wrote(next.WriteID()) || s.ID() != next.ID():
		return "", fmt.Errorf("%w: run again", ErrConflict)
	case s.WriteID() != next.WriteID():
		return "", ErrSuperseded
	}
	// Our own write, of which the outcome was not known.
	if err := f.disk.sync(f.path); err != nil {
		return "", unknown(err)
	}
	_ = f.remember(known, s)
	return found, nil
}

const unchanged = "The ledger is as it was; free some space or mend the folder's permissions, then run again"

func (f *File) replace(known seen, next State, data []byte) (err error) {
	for _, path := range []string{f.path, f.seenPath} {
		if err := f.disk.sweep(path); err != nil {
			return fmt.Errorf("its folder cannot be read: %w. %s", cause(err), unchanged)
		}
	}
	// Both are on the disk before either is in its place: a disk that is full is found out while nothing has changed.
	memory, err := f.disk.prepare(f.seenPath, known.with(f.place, next).encode())
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w. %s", f.seenPath, cause(err), unchanged)
	}
	temp, err := f.disk.prepare(f.path, data)
	if err == nil {
		err = f.disk.commit(temp, f.path)
	}
	if err != nil {
		// A network file system may have carried out what it failed to answer.
		if there, read := readBounded(f.path, maxLedger); read != nil || !bytes.Equal(there, data) {
			f.disk.drop(temp)
			f.disk.drop(memory)
			return fmt.Errorf("it cannot be written: %w. %s", cause(err), unchanged)
		}
	}
	if err := f.disk.sync(f.path); err != nil {
		f.disk.drop(memory)
		return unknown(err)
	}
	// The change is made, and stays. A memory that lags behind refuses nothing, and the next run brings it up to date.
	if f.disk.commit(memory, f.seenPath) != nil {
		f.disk.drop(memory)
	}
	return nil
}

func unknown(err error) error {
	return fmt.Errorf("%w: it was written, and the disk did not confirm it (%w). See to the disk, then run again: the next run tells", ErrUnknown, cause(err))
}

// revision names the content: age never encrypts to the same bytes twice.
func revision(data []byte) Revision {
	if data == nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return Revision(hex.EncodeToString(sum[:]))
}

// fileError puts the path before a message, once.
type fileError struct {
	path string
	err  error
}

func (e *fileError) Error() string { return "ledger " + e.path + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

func (f *File) explain(err error) error {
	var named *fileError
	if errors.As(err, &named) {
		return err
	}
	return &fileError{f.path, err}
}

// String names the file.
func (f *File) String() string { return "ledger " + f.path }

// Format writes what String returns, under every verb and flag.
func (f *File) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, f.String()) }
