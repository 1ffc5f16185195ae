package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Reasons why [OpenPlain] does not open a file.
var (
	ErrLink      = errors.New("it is a link, which is not followed")
	ErrHardLink  = errors.New("it is a hard link: another name leads to the same file, which would be changed too")
	ErrIrregular = errors.New("it is no regular file")
)

// OpenPlain opens an existing file for a change in place. Another user of its
// folder may have put a link to any other file there. So the file must be a
// regular file with no other name, and a link is not followed. flag is that of
// [os.OpenFile], without [os.O_CREATE] and [os.O_TRUNC]. The caller must use
// the descriptor from then on, not the name.
func OpenPlain(path string, flag int) (*os.File, error) {
	// Without O_NONBLOCK opening a pipe would wait for its other end.
	f, err := os.OpenFile(path, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		if info, e := os.Lstat(path); e == nil && info.Mode()&fs.ModeSymlink != 0 {
			return nil, &fs.PathError{Op: "open", Path: path, Err: ErrLink}
		}
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = syscall.EISDIR
	case !info.Mode().IsRegular():
		err = ErrIrregular
	case linksTo(info) > 1:
		err = ErrHardLink
	}
	if err != nil {
		_ = f.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: Cause(err)}
	}
	return f, nil
}

// linksTo returns the number of names that lead to a file.
func linksTo(info fs.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Nlink) }
