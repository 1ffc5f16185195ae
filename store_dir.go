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

// Dir is the store of a directory: a secret's value is the content of the file named like its binding. That is how Docker
// and Kubernetes mount secrets and how systemd passes credentials. Every read opens the file anew, so a mount that is
// swapped shows at once.
//
// One trailing newline (LF or CRLF) is dropped, as a shell's $(<file) does: editors and echo add it, and it breaks HTTP
// headers. A file over 1 MiB is [ErrTooLarge]. A link that leads out of the directory is refused, and so is anything but a
// regular file.
func Dir(path string) Store { return dirStore{path} }

func (s dirStore) Get(ctx context.Context, addr Address) (string, error) {
	if ctx.Err() != nil {
		return "", endOf(ctx)
	}
	if addr = addr.withDefault(); !validName(addr.Namespace) || !validName(addr.Name) {
		return "", because(ErrInvalid, "namespace and name are each "+nameRule)
	}
	text, err := s.read(addr.Binding())
	if errors.Is(err, fs.ErrNotExist) {
		return "", because(ErrNotFound, s.Locate(addr)+" does not exist")
	}
	return text, err
}

// read returns the content of a file. A mount is swapped by a link while the file itself stays a link to it, so one that leads
// nowhere may lead somewhere the next moment.
func (s dirStore) read(name string) (string, error) {
	root, err := os.OpenRoot(s.path)
	if err != nil {
		return "", err
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
	// Asked before it is opened: opening a named pipe would wait for its writer.
	info, err := root.Stat(name)
	if err != nil {
		return "", s.named(name, err)
	}
	where := "file " + filepath.Join(s.path, name)
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

// named gives an error of the file system the whole path: os.Root knows the name alone. What the system did not say, os.Root
// did: the path leads out of it.
func (s dirStore) named(name string, err error) error {
	var p *fs.PathError
	var system syscall.Errno
	if !errors.As(err, &system) {
		return because(ErrInvalid, "file "+filepath.Join(s.path, name)+" is a link that leads out of the directory")
	}
	if errors.As(err, &p) {
		return &fs.PathError{Op: p.Op, Path: filepath.Join(s.path, name), Err: p.Err}
	}
	return err
}

func (s dirStore) Locate(addr Address) string { return "file " + filepath.Join(s.path, addr.Binding()) }

// lookEvery is how often Watch looks at the files. Their times of change lie, and mounts are swapped by links, so nothing but
// the content tells.
const lookEvery = time.Second

// Watch is [Watcher]'s: it compares the files' content every second.
func (s dirStore) Watch(ctx context.Context, addrs []Address, changed func(Address)) error {
	seen := make([]fileState, len(addrs))
	for i, addr := range addrs {
		seen[i] = s.state(addr)
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
			if now := s.state(addr); now != seen[i] {
				seen[i] = now
				changed(addr)
			}
		}
	}
}

// fileState is the print of a file's content, or the error of reading it.
type fileState struct {
	print fingerprint
	err   string
}

func (s dirStore) state(addr Address) fileState {
	text, err := s.Get(context.Background(), addr)
	if err != nil {
		return fileState{err: err.Error()}
	}
	return fileState{print: fingerprintOf(text)}
}
