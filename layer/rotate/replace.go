package rotate

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// disk is where files are replaced. Before each step it calls at, which tests let fail.
type disk struct {
	at func(step string) error
}

func (d disk) step(name string) error {
	if d.at == nil {
		return nil
	}
	return d.at(name)
}

// prepare writes data into a new file beside path, for commit. The file is on the disk when it returns.
func (d disk) prepare(path string, data []byte) (temp string, err error) {
	what := filepath.Base(path)
	if err := d.step("create " + what); err != nil {
		return "", err
	}
	var unique [8]byte
	_, _ = rand.Read(unique[:])
	temp = filepath.Join(filepath.Dir(path), tempPrefix(path)+hex.EncodeToString(unique[:]))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	if err = d.step("write " + what); err == nil {
		err = fill(f, data)
	} else {
		_ = f.Close()
	}
	if err == nil {
		err = d.step("written " + what)
	}
	if err != nil {
		d.drop(temp)
		return "", err
	}
	return temp, nil
}

// fill writes, syncs and closes.
func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (d disk) drop(temp string) {
	if temp != "" && d.step("drop") == nil {
		_ = os.Remove(temp)
	}
}

// commit puts a prepared file in the place of path.
func (d disk) commit(temp, path string) error {
	if err := d.step("rename " + filepath.Base(path)); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// sync makes renames in the folder of path last.
func (d disk) sync(path string) error {
	if err := d.step("sync folder of " + filepath.Base(path)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	// Some file systems cannot sync a folder; then a rename is as lasting as it gets.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

func tempPrefix(path string) string { return "." + filepath.Base(path) + ".tmp-" }

// sweep removes what a crash left beside path. Only whoever holds the lock may call it.
func (d disk) sweep(path string) error {
	if err := d.step("sweep " + filepath.Base(path)); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		unique, ours := strings.CutPrefix(e.Name(), tempPrefix(path))
		if b, err := hex.DecodeString(unique); ours && err == nil && len(b) == 8 && e.Type().IsRegular() {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return nil
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	// Without O_NONBLOCK opening a pipe would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, cause(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, cause(err)
	case info.IsDir():
		return nil, errors.New("it is a folder: name the file")
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file: name one")
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, cause(err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("it has more than %d bytes: it is not what layer wrote", limit)
	}
	return data, nil
}

// cause leaves out the operation and path, which the caller names.
func cause(err error) error {
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
