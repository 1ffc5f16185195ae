package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/internal/atomicfile"
)

// openToWrite makes the directory if it is missing, and removes the temporary
// files of a crash.
func (d *Publisher) openToWrite(ctx context.Context, items int) (atomicfile.Folder, error) {
	none := atomicfile.Folder{}
	if items == 0 {
		return none, nil
	}
	if err := d.Make(ctx); err != nil {
		return none, err
	}
	folder, err := d.open()
	if err != nil {
		return none, err
	}
	if err := d.sweep(folder); err != nil {
		_ = folder.Root.Close()
		return none, err
	}
	return folder, nil
}

// Make makes the directory if it is missing, as Publish does.
func (d *Publisher) Make(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := d.makeFolder(d.path); err != nil {
		return d.failed("", "cannot be made", err)
	}
	return nil
}

func (d *Publisher) open() (atomicfile.Folder, error) {
	if d.path == "" {
		return atomicfile.Folder{}, fmt.Errorf("%w: the directory to publish into is not given", secret.ErrInvalid)
	}
	folder, err := atomicfile.Open(d.path, d.step)
	if err != nil {
		if info, statErr := os.Stat(d.path); statErr == nil && !info.IsDir() {
			err = syscall.ENOTDIR // os.Root returns its own error for it
		}
		return atomicfile.Folder{}, d.failed("", "cannot be opened", err)
	}
	return folder, nil
}

// makeFolder makes a directory and its missing parents. Each one is synced to disk
// before anything is created in it.
func (d *Publisher) makeFolder(path string) error {
	if path == "" {
		return nil // open reports the problem
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // it exists, or open reports the problem
	}
	above := filepath.Dir(path)
	if above != path {
		if err := d.makeFolder(above); err != nil {
			return err
		}
	}
	folder, err := atomicfile.Open(above, d.step)
	if err != nil {
		return err
	}
	defer folder.Root.Close()
	if err := folder.Do("make folder", func() error { return atomicfile.MakeFolder(path) }); err != nil &&
		!errors.Is(err, fs.ErrExist) {
		return err
	}
	return folder.Sync()
}

// sweep removes the temporary files of values and notes: they contain values, and
// nothing else removes them.
func (d *Publisher) sweep(folder atomicfile.Folder) error {
	err := folder.Sweep(ours)
	if left := (*atomicfile.SweepError)(nil); errors.As(err, &left) {
		return d.failed(left.Name, "was left by a crash, may contain a value and cannot be removed", left.Err)
	}
	if err != nil {
		return d.failed("", "cannot be listed", err)
	}
	return nil
}

// ours reports whether a file name is that of a value, a note, the probe, or the
// .gitignore that excludes them from git.
func ours(name string) bool {
	return name == probe || name == ".gitignore" || checkName(name) == nil ||
		checkName(strings.TrimSuffix(strings.TrimPrefix(name, "."), ".note")) == nil
}

// sweepAbove removes the probes that a killed Check left in the nearest existing
// parent of the directory.
func (d *Publisher) sweepAbove() {
	at := filepath.Dir(d.path)
	for _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) && filepath.Dir(at) != at; _, err = os.Stat(at) {
		at = filepath.Dir(at)
	}
	atomicfile.SweepDeadOf(filepath.Join(at, probe))
}
