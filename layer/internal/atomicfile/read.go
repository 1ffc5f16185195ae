package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Read reads a regular file of at most limit bytes. Its errors do not begin
// with the name of the file.
func Read(path string, limit int64) ([]byte, error) {
	data, _, err := ReadInfo(path, limit)
	return data, err
}

// ReadInfo is Read, and also returns the permission bits of the file.
func ReadInfo(path string, limit int64) (data []byte, mode fs.FileMode, err error) {
	// Without O_NONBLOCK opening a pipe would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		if advice := Denied(path); advice != "" {
			return nil, 0, fmt.Errorf("%w: %s", Cause(err), advice)
		}
	}
	if err != nil {
		return nil, 0, Cause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, 0, Cause(err)
	case info.IsDir():
		return nil, 0, errors.New("it is a folder: give the name of a file")
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("it is not a regular file: give the name of one")
	}
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, 0, Cause(err)
	case int64(len(data)) > limit:
		return nil, 0, fmt.Errorf("it has more than %d bytes: layer did not write it", limit)
	}
	return data, info.Mode().Perm(), nil
}
