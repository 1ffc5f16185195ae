// Package atomicfile replaces files whole: a reader finds the old content or the
// new one, whatever crashes. It is the one place where ledgers, targets and the
// memory of ledgers seen write to a disk.
//
// A replacement takes four steps, in this order: the new content is written to a
// temporary file beside the old one and synced ([Folder.Prepare]), renamed
// ([Folder.Commit]), and the folder is synced ([Folder.Sync]).
package atomicfile

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// Folder is an open folder in which files are replaced.
type Folder struct {
	Root *os.Root
	// Step, if not nil, is called before each change with its name, such as
	// "write layer.seen"; the change is skipped if it returns an error. Tests fail
	// or end the process there.
	Step func(what string) error
}

// Open opens a folder. The caller closes its Root.
func Open(path string, step func(what string) error) (Folder, error) {
	root, err := os.OpenRoot(path)
	return Folder{root, step}, err
}

// Do calls step, and change if step allows it.
func (f Folder) Do(what string, change func() error) error {
	if f.Step != nil {
		if err := f.Step(what); err != nil {
			return err
		}
	}
	return change()
}

// Temporary files are named .layer-NAME.<16 hexadecimal digits>.tmp, where NAME is
// the file that they replace.
const (
	tempPrefix = ".layer-"
	tempSuffix = ".tmp"
)

func tempName(name string) string {
	var unique [8]byte
	_, _ = rand.Read(unique[:])
	return tempPrefix + name + "." + hex.EncodeToString(unique[:]) + tempSuffix
}

// replacedBy returns the name of the file that a temporary file replaces.
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

// Prepare writes data to a temporary file (mode 0600) beside the named one and
// syncs it. After an error no temporary file is left.
func (f Folder) Prepare(name string, data []byte) (temp string, err error) {
	temp = tempName(name)
	if err := f.fill(temp, name, data); err != nil {
		f.Discard(temp)
		return "", err
	}
	return temp, nil
}

func (f Folder) fill(temp, name string, data []byte) error {
	var file *os.File
	err := f.Do("create "+name, func() (err error) {
		file, err = f.Root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	defer file.Close()
	if err := f.Do("write "+name, func() error { _, err := file.Write(data); return err }); err != nil {
		return err
	}
	if err := f.Do("sync "+name, file.Sync); err != nil {
		return err
	}
	return f.Do("close "+name, file.Close)
}

// Discard removes a temporary file that was not committed.
func (f Folder) Discard(temp string) { _ = f.Root.Remove(temp) }

// Commit renames a temporary file to its name. A network file system may carry out
// a rename and lose the answer: after an error, renamed reports whether the file
// may be in its place. If it is not, the temporary file is removed.
func (f Folder) Commit(temp, name string) (renamed bool, err error) {
	if err := f.Do("rename "+name, func() error { return f.Root.Rename(temp, name) }); err != nil {
		_, missing := f.Root.Lstat(temp)
		f.Discard(temp)
		return missing != nil, err
	}
	return true, nil
}

// Sync makes the renames in the folder durable. Some file systems cannot sync a
// folder; a rename there is as durable as it gets.
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

// Replace prepares, commits and syncs. After an error, renamed reports whether the
// new content may be in place.
func (f Folder) Replace(name string, data []byte) (renamed bool, err error) {
	temp, err := f.Prepare(name, data)
	if err != nil {
		return false, err
	}
	if renamed, err := f.Commit(temp, name); err != nil {
		return renamed, err
	}
	return true, f.Sync()
}

// SweepError is a temporary file that could not be removed.
type SweepError struct {
	Name string
	Err  error
}

func (e *SweepError) Error() string { return e.Name + " cannot be removed: " + e.Err.Error() }
func (e *SweepError) Unwrap() error { return e.Err }

// Sweep removes the temporary files of the files that of accepts: the remains of a
// crash. The caller excludes other writers of these files. A file that cannot be
// removed is a [*SweepError].
func (f Folder) Sweep(of func(name string) bool) error {
	entries, err := fs.ReadDir(f.Root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ours := replacedBy(e.Name())
		if !ours || !e.Type().IsRegular() || !of(name) {
			continue
		}
		err := f.Do("sweep "+name, func() error { return f.Root.Remove(e.Name()) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &SweepError{e.Name(), err}
		}
	}
	return nil
}

// Cause returns the error without its operation and path, which the caller names.
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
