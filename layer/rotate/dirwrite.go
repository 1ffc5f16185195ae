package rotate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

var dirTemp = lazyregexp.New(`^\.layer-[0-9a-f]{32}\.tmp$`)

// tempFile returns a name that nobody else uses, so that no other process can fill or rename the file meanwhile.
func tempFile() string { return ".layer-" + randomHex(16) + ".tmp" }

// replace puts content under a name, whole or not at all. After an error renamed tells whether it may be there.
func (d *DirPublisher) replace(root *os.Root, name, content string) (renamed bool, err error) {
	temp := tempFile()
	if err := d.fill(root, temp, content); err != nil {
		_ = root.Remove(temp)
		return false, err
	}
	if err := d.do("rename", func() error { return root.Rename(temp, name) }); err != nil {
		// A network's file system may lose the answer. While the temporary file is there, nothing was renamed.
		_, lost := root.Lstat(temp)
		_ = root.Remove(temp)
		return lost != nil, err
	}
	return true, d.syncFolder(root)
}

func (d *DirPublisher) fill(root *os.Root, temp, content string) error {
	var f *os.File
	err := d.do("create", func() (err error) {
		f, err = root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	defer f.Close()
	if err := d.do("write", func() error { _, err := f.WriteString(content); return err }); err != nil {
		return err
	}
	if err := d.do("sync", f.Sync); err != nil {
		return err
	}
	return d.do("close", f.Close)
}

func (d *DirPublisher) syncFolder(root *os.Root) error {
	err := d.do("sync folder", func() error {
		folder, err := root.Open(".")
		if err != nil {
			return err
		}
		defer folder.Close()
		return folder.Sync()
	})
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // a file system without it, such as some shares
	}
	return err
}

func (d *DirPublisher) do(what string, f func() error) error {
	if d.step != nil {
		if err := d.step(what); err != nil {
			return err
		}
	}
	return f()
}

// makeFolder makes a directory and those above it, each on the disk before something is put into it.
func (d *DirPublisher) makeFolder(path string) error {
	if path == "" {
		return nil // open says what is wrong
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // whatever is wrong with it, open says so
	}
	above := filepath.Dir(path)
	if above != path {
		if err := d.makeFolder(above); err != nil {
			return err
		}
	}
	if err := d.do("make folder", func() error { return os.Mkdir(path, 0o700) }); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	root, err := os.OpenRoot(above)
	if err != nil {
		return err
	}
	defer root.Close()
	return d.syncFolder(root)
}

// sweep removes temporary files: they hold values, and nobody else would.
func (d *DirPublisher) sweep(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return d.failed("", "cannot be listed", err)
	}
	for _, e := range entries {
		if !dirTemp().MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		err := d.do("sweep", func() error { return root.Remove(e.Name()) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return d.failed(e.Name(), "was left by a crash, may hold a value and cannot be removed", err)
		}
	}
	return nil
}
