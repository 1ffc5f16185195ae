// Package atomicfile replaces whole files: a reader finds the old content or
// the new one, after any crash. Ledgers, targets and layer.seen write to a disk
// only through this package.
//
// A replacement takes four steps, in this order: the new content is written to
// a temporary file beside the old one and synced ([Folder.Prepare]), renamed
// ([Folder.Commit]), and the folder is synced ([Folder.Sync]). Where many files
// are replaced, each step is done for all secrets before the next one: see
// [Folder.Write] and [Folder.Flush].
//
// Owner, group and permission bits survive a replacement ([Access]). Several
// processes may write in one folder: see [Folder.Sweep].
package atomicfile

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Folder is an open folder in which files are replaced.
type Folder struct {
	Root *os.Root
	// Step, if not nil, is called before each change with its name, such as "write
	// layer.seen". If it returns an error, the change is skipped. Tests fail or end
	// the process there.
	Step func(what string) error
}

// Open opens a folder. The caller closes its Root.
func Open(path string, step func(what string) error) (Folder, error) {
	root, err := os.OpenRoot(path)
	return Folder{root, step}, err
}

// EveryStep, if not nil, is called before each change in every folder. Only a
// test sets it, before the first change: it ends the process there.
var EveryStep func()

// Do calls step, and change if step allows it.
func (f Folder) Do(what string, change func() error) error {
	if EveryStep != nil {
		EveryStep()
	}
	if f.Step != nil {
		if err := f.Step(what); err != nil {
			return err
		}
	}
	return change()
}

// Temporary files are named .layer-NAME.<16 hexadecimal digits>.tmp, where NAME
// is the file that they replace. The pattern .layer-*.tmp of git matches all of
// them.
const (
	tempPrefix = ".layer-"
	tempSuffix = ".tmp"
)

func tempName(name string) string {
	var unique [8]byte
	_, _ = rand.Read(unique[:])
	return tempPrefix + inTemp(name) + "." + hex.EncodeToString(unique[:]) + tempSuffix
}

// inTemp returns the NAME in the names of a file's temporary files. It is a
// digest if the name itself would make them too long for a file system.
func inTemp(name string) string {
	const longest = 255 - len(tempPrefix) - len(".0123456789abcdef") - len(tempSuffix)
	if len(name) <= longest {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "long-name-" + hex.EncodeToString(sum[:])
}

// replacedBy returns the NAME in the name of a temporary file.
func replacedBy(temp string) (name string, ok bool) {
	middle, prefixed := strings.CutPrefix(temp, tempPrefix)
	middle, suffixed := strings.CutSuffix(middle, tempSuffix)
	dot := strings.LastIndexByte(middle, '.')
	if !prefixed || !suffixed || dot < 1 {
		return "", false
	}
	unique, err := hex.DecodeString(middle[dot+1:])
	return middle[:dot], err == nil && len(unique) == 8 && hex.EncodeToString(unique) == middle[dot+1:]
}

// Temp is a temporary file with the new content of another file. Its writer
// keeps a lock on it until the end, so that a sweep spares it. The system
// releases the lock of a process that was killed.
type Temp struct {
	name string // of the temporary file
	of   string // of the file that it replaces
	data []byte
	file *os.File // nil once it is closed
	lock *os.File // nil if the file system has no locks
}

func (t *Temp) release() {
	if t.file != nil {
		_ = t.file.Close()
	}
	if t.lock != nil {
		_ = t.lock.Close()
	}
}

// Limits on how often a swept temporary file is written again. A sweep before
// the lock must come within the same microseconds, and another attempt then
// costs nothing.
const (
	attempts     = 10
	lockAttempts = 100
)

// ErrSwept reports a replacement whose temporary file another process removed,
// again and again.
var ErrSwept = errors.New("another process keeps removing the temporary files of this folder: make sure that no " +
	"older version of layer writes there, then run again")

// Prepare writes data to a temporary file beside the named one and syncs it.
// After an error no temporary file is left.
func (f Folder) Prepare(name string, data []byte, access Access) (*Temp, error) {
	t, err := f.Write(name, data, access)
	if err == nil {
		err = f.Flush(t)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Write is Prepare without the sync. The file gets its access before it
// contains any data. The caller calls Flush or Discard.
func (f Folder) Write(name string, data []byte, access Access) (*Temp, error) {
	for range lockAttempts {
		t := &Temp{name: tempName(name), of: name, data: data}
		err := f.fill(t, access)
		if err == nil {
			return t, nil
		}
		f.Discard(t)
		if err != ErrSwept {
			return nil, err
		}
	}
	return nil, ErrSwept
}

func (f Folder) fill(t *Temp, access Access) error {
	err := f.Do("create "+t.of, func() (err error) {
		t.file, err = f.Root.OpenFile(t.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	if err := f.hold(t, t.file); err != nil {
		return err
	}
	folder, _ := f.Root.Stat(".")
	if err := access.give(t.file, folder); err != nil {
		return err
	}
	return f.Do("write "+t.of, func() error { _, err := t.file.Write(t.data); return err })
}

// Flush syncs and closes a temporary file of Write. After an error no temporary
// file is left. Calls for several files may run at the same time: the file
// system then groups the writes to its journal.
func (f Folder) Flush(t *Temp) error {
	err := f.Do("sync "+t.of, t.file.Sync)
	if err == nil {
		err = f.Do("close "+t.of, t.file.Close)
	}
	if err != nil {
		f.Discard(t)
		return err
	}
	t.file = nil
	return nil
}

// hold locks a new temporary file against sweeps. It returns [ErrSwept] if a
// sweep between the creation and the lock removed the file, or is about to
// remove it.
func (f Folder) hold(t *Temp, file *os.File) error {
	lock, err := duplicate(file) // it stays open when the file is closed
	if err != nil {
		return err
	}
	t.lock = lock
	switch got, err := TryLock(lock); {
	case err != nil:
		return nil // no locks here: Replace writes a swept file again
	case !got:
		return ErrSwept
	}
	if there, err := f.Root.Lstat(t.name); errors.Is(err, fs.ErrNotExist) {
		return ErrSwept
	} else if mine, e := lock.Stat(); err != nil || e != nil || !os.SameFile(mine, there) {
		return errors.Join(err, e)
	}
	return nil
}

// Discard removes a temporary file that was not committed.
func (f Folder) Discard(t *Temp) {
	_ = f.Root.Remove(t.name)
	t.release()
}

// Commit renames a temporary file to its name. A network file system may apply
// a rename and lose the answer: after an error, renamed reports whether the new
// content may be in place. If it is not, no temporary file is left. The error
// is [ErrSwept] if another process removed the temporary file.
func (f Folder) Commit(t *Temp) (renamed bool, err error) {
	err = f.Do("rename "+t.of, func() error { return f.Root.Rename(t.name, t.of) })
	if err == nil {
		t.release()
		return true, nil
	}
	_, missing := f.Root.Lstat(t.name)
	f.Discard(t)
	switch {
	case missing == nil:
		return false, err
	case !errors.Is(missing, fs.ErrNotExist), !errors.Is(err, fs.ErrNotExist):
		return true, err
	}
	// The rename found no temporary file. Either it was swept, or the rename was
	// sent twice and this is the answer to the second request. The content of the
	// file decides.
	there, readErr := f.read(t.of, int64(len(t.data))+1)
	switch {
	case readErr == nil && bytes.Equal(there, t.data):
		return true, nil
	case readErr == nil, errors.Is(readErr, fs.ErrNotExist):
		return false, ErrSwept
	}
	return true, err
}

// read reads the first bytes of a regular file.
func (f Folder) read(name string, most int64) ([]byte, error) {
	file, err := f.Root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most))
}

// Sync makes the renames in the folder durable. Some file systems cannot sync a
// folder; Sync then does nothing.
func (f Folder) Sync() error {
	err := f.Do("sync folder", func() error {
		folder, err := f.Root.Open(".")
		if err != nil {
			return err
		}
		defer folder.Close()
		return folder.Sync()
	})
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// Replace prepares, commits and syncs. After an error, renamed reports whether
// the new content may be in place.
func (f Folder) Replace(name string, data []byte, access Access) (renamed bool, err error) {
	if renamed, err := f.Put(name, data, access); err != nil {
		return renamed, err
	}
	return true, f.Sync()
}

// Put is Replace without the sync.
func (f Folder) Put(name string, data []byte, access Access) (renamed bool, err error) {
	for range attempts {
		t, err := f.Prepare(name, data, access)
		if err != nil {
			return false, err
		}
		if renamed, err := f.Commit(t); err != ErrSwept {
			return renamed, err
		}
	}
	return false, ErrSwept
}

// duplicate returns a second descriptor of an open file. Both share its locks.
func duplicate(file *os.File) (*os.File, error) {
	second := -1
	err := control(file, func(fd int) (err error) {
		second, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(second), file.Name()), nil
}

// TryLock locks an open file against other processes, and other descriptors of
// this one, without waiting. It reports whether the lock was free. The lock
// ends when the file is closed.
func TryLock(file *os.File) (got bool, err error) {
	err = control(file, func(fd int) error {
		for {
			if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != unix.EINTR {
				return err
			}
		}
	})
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Unlock ends the lock of TryLock. Closing the file is not enough: a child
// process that is being started has a duplicate of the descriptor for a moment,
// and with it the lock.
func Unlock(file *os.File) error {
	return control(file, func(fd int) error { return unix.Flock(fd, unix.LOCK_UN) })
}

// control calls do with the descriptor of an open file.
func control(file *os.File, do func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) { err = do(int(fd)) })
	return errors.Join(controlErr, err)
}

// Cause returns the error without its operation and path, which the caller
// adds.
func Cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}
