package atomicfile

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// Create writes a new file of mode 0600, and syncs it and its folder. After any
// crash the file is complete or missing. It belongs to this user, in any
// folder. Create does not change an existing file: the error wraps
// [io/fs.ErrExist]. After any other error, written reports whether the file
// exists, perhaps not durably.
func Create(path string, data []byte) (written bool, err error) {
	return CreateStepwise(path, data, nil)
}

// CreateStepwise is Create, with the Step of a [Folder].
func CreateStepwise(path string, data []byte, step func(what string) error) (written bool, err error) {
	folder, err := Open(filepath.Dir(path), step)
	if err != nil {
		return false, err
	}
	defer folder.Root.Close()
	name := filepath.Base(path)
	for range attempts {
		if written, err = folder.create(name, data); err != ErrSwept {
			break
		}
	}
	if !written || err != nil {
		return written, err
	}
	return true, folder.Sync()
}

func (f Folder) create(name string, data []byte) (written bool, err error) {
	if _, err := f.Root.Lstat(name); err == nil {
		return false, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	_ = f.Sweep(Of(name)) // left by a run that was killed here
	temp, err := f.Prepare(name, data, Access{private: true})
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Do("remove temporary "+name, func() error { f.Discard(temp); return nil }) }()
	err = f.Do("link "+name, func() error {
		if err := f.Root.Link(temp.name, name); !noLinks(err) {
			return err
		}
		return f.renameToNew(temp.name, name)
	})
	if _, missing := f.Root.Lstat(temp.name); errors.Is(err, fs.ErrNotExist) && missing != nil {
		return false, ErrSwept
	}
	return err == nil, err
}

// noLinks reports whether a link may have failed because the file system has
// none. Systems do not agree on an error: vfat returns "operation not
// permitted".
func noLinks(err error) bool {
	return err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist)
}
