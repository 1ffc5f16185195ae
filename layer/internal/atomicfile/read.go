package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Read reads a regular file of at most limit bytes. Its errors do not begin with the
// name of the file.
func Read(path string, limit int64) ([]byte, error) {
	// Without O_NONBLOCK opening a pipe would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		if advice := Denied(path); advice != "" {
			return nil, fmt.Errorf("%w: %s", Cause(err), advice)
		}
	}
	if err != nil {
		return nil, Cause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, Cause(err)
	case info.IsDir():
		return nil, errors.New("it is a folder: name the file")
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file: name one")
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, Cause(err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("it has more than %d bytes: it is not what layer wrote", limit)
	}
	return data, nil
}

// Create writes a new file (mode 0600) and syncs it and its folder. A file that
// exists is left as it is: the error wraps [io/fs.ErrExist]. After another error
// written reports whether the file is there, if perhaps not durably.
func Create(path string, data []byte) (written bool, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
		return false, err
	}
	folder, err := Open(filepath.Dir(path), nil)
	if err != nil {
		return true, err
	}
	defer folder.Root.Close()
	return true, folder.Sync()
}
