package secret

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

type dirStore struct{ path string }

var (
	_ Locator = dirStore{}
	_ Watcher = dirStore{}
)

// Dir returns the store of a directory: the value of a secret is the content of
// the file named by its binding. Docker and Kubernetes mount secrets in this
// form, and systemd passes credentials in it. Every read opens the file anew,
// so a read finds the files of a swapped mount at once.
//
// The store is a [Watcher]: an App follows a change without a setting. On Linux
// it uses inotify, which costs two file descriptors for all folders of the
// process, and follows a change within about 20 ms: a file that is written,
// renamed or linked, a link that is swapped, as Kubernetes does, and a folder
// that is replaced or mounted. A file without a notification, such as a single
// file that is mounted over another, is found by its inode, size and change
// time, within a second, or within a minute among thousands of secrets. The
// content is compared once a minute.
//
// An App reads each file once a second, and follows a change within about a
// second, on other systems, and on a file system that other machines can write
// to or that is unknown, such as NFS, FUSE, 9p or overlayfs. If inotify is not
// available, it compares inode, size and change time once a second. A read
// without an App opens and reads one file each time. An App with a negative
// AppOptions.Refresh does not watch.
//
// Dir drops one trailing newline (LF or CRLF), because editors and echo add it,
// and it breaks HTTP headers. (A shell's $(<file) drops all trailing
// newlines.) Other white space and further newlines stay. A file over 1 MiB is
// [ErrTooLarge]. Dir refuses a link that leads out of the directory, and
// anything but a regular file.
func Dir(path string) Store { return dirStore{path} }

func (s dirStore) Get(ctx context.Context, addr Address) (string, error) {
	if ctx.Err() != nil {
		return "", endOf(ctx)
	}
	if addr = addr.withDefault(); !validName(addr.Namespace) || !validName(addr.Name) {
		return "", because(ErrInvalid, "namespace and name are each "+nameRule)
	}
	name := BindingOf(ctx, addr)
	text, err := s.readAnew(name)
	if errors.Is(err, fs.ErrNotExist) {
		missing := because(ErrNotFound, s.file(name)+" does not exist")
		if folder, shared := err.(*folderError); shared {
			return "", &folderError{path: folder.path, text: missing}
		}
		return "", missing
	}
	return text, err
}

func (s dirStore) file(name string) string { return filePlace + filepath.Join(s.path, name) }

const filePlace = "file "

// folderError is the error of a read whose folder cannot be opened: a fault of
// all its secrets, which an App reports once.
type folderError struct {
	_    uncomparable
	path string
	text error // the error for one secret
}

func (e *folderError) Error() string { return e.text.Error() }
func (e *folderError) Unwrap() error { return e.text }

func (s dirStore) readAnew(name string) (string, error) {
	root, err := os.OpenRoot(s.path)
	if err != nil {
		return "", &folderError{path: s.path, text: err}
	}
	defer root.Close()
	return s.read(root, name)
}

// read returns the content of a file. A mount is swapped by changing a link,
// and the file itself stays a link through it. A link without a target may have
// one a moment later.
func (s dirStore) read(root *os.Root, name string) (string, error) {
	for tries := 100; ; tries-- {
		text, err := s.readIn(root, name)
		if !errors.Is(err, fs.ErrNotExist) || tries == 0 {
			return text, err
		}
		if _, err := root.Lstat(name); err != nil {
			return "", s.named(name, err)
		}
	}
}

func (s dirStore) readIn(root *os.Root, name string) (string, error) {
	// Check before the file is opened: opening a named pipe would wait for its
	// writer.
	info, err := root.Stat(name)
	if err != nil {
		return "", s.named(name, err)
	}
	where := s.file(name)
	if !info.Mode().IsRegular() {
		return "", because(ErrInvalid, where+" is no regular file")
	}
	f, err := root.Open(name)
	if err != nil {
		return "", s.named(name, err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return "", s.named(name, err)
	}
	if len(content) > maxText {
		return "", because(ErrTooLarge, where+" is over 1 MiB")
	}
	return withoutNewline(string(content)), nil
}

// withoutNewline returns the text of a file without one trailing newline.
func withoutNewline(text string) string {
	if cut, ok := strings.CutSuffix(text, "\n"); ok {
		return strings.TrimSuffix(cut, "\r")
	}
	return text
}

// named puts the whole path into an error of the file system: os.Root has only
// the name. An error that is not from the system is from os.Root: the path
// leads out of the directory.
func (s dirStore) named(name string, err error) error {
	var p *fs.PathError
	var system syscall.Errno
	if !errors.As(err, &system) {
		return because(ErrInvalid, s.file(name)+" is a link that leads out of the directory")
	}
	if errors.As(err, &p) {
		return &fs.PathError{Op: p.Op, Path: filepath.Join(s.path, name), Err: p.Err}
	}
	return err
}

func (s dirStore) Locate(addr Address) string { return s.file(addr.Binding()) }
