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
	"time"
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
// The store is a [Watcher]: an App finds a change within about two seconds,
// without a setting. For that it opens, reads and hashes the file of each of
// its secrets once a second; it uses no notifications of the file system. A
// read without an App opens and reads one file each time. An App with a
// negative AppOptions.Refresh does not watch.
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
	text, err := s.read(name)
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

// read returns the content of a file. A mount is swapped by changing a link,
// and the file itself stays a link through it. A link without a target may have
// one a moment later.
func (s dirStore) read(name string) (string, error) {
	root, err := os.OpenRoot(s.path)
	if err != nil {
		return "", &folderError{path: s.path, text: err}
	}
	defer root.Close()
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
	text := string(content)
	if cut, ok := strings.CutSuffix(text, "\n"); ok {
		text = strings.TrimSuffix(cut, "\r")
	}
	return text, nil
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

// lookEvery is the period in which Watch reads the files. Modification times
// are not reliable, and mounts are swapped by links, so Watch compares the
// content.
const lookEvery = time.Second

// Watch implements [Watcher]: it compares the content of the files every
// second.
func (s dirStore) Watch(ctx context.Context, addrs []Address, changed func(Address)) error {
	// Without the end of ctx, which is no state of a file.
	lasting := context.WithoutCancel(ctx)
	seen := make([]fileState, len(addrs))
	for i, addr := range addrs {
		seen[i] = s.state(lasting, addr)
	}
	for _, addr := range addrs {
		changed(addr)
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		for i, addr := range addrs {
			if now := s.state(lasting, addr); now != seen[i] {
				seen[i] = now
				changed(addr)
			}
		}
	}
}

// fileState is the fingerprint of a file's content, or the error of reading the
// file.
type fileState struct {
	print fingerprint
	err   string
}

func (s dirStore) state(ctx context.Context, addr Address) fileState {
	text, err := s.Get(ctx, addr)
	if err != nil {
		return fileState{err: err.Error()}
	}
	return fileState{print: fingerprintOf(text)}
}
