package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/layeron-hq/secret/driver"
)

// Place implements [driver.Placer]. It identifies the file system of the
// directory, so that a disk that is not mounted is detected. A missing directory
// has the place "".
func (d *Publisher) Place(ctx context.Context) (string, error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	info, err := os.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", d.failed("", "cannot be looked at", err)
	}
	// The file system's id is the same after a restart of the machine. The number of a
	// device may change.
	var system syscall.Statfs_t
	if err := syscall.Statfs(d.path, &system); err == nil && system.Fsid != (syscall.Statfs_t{}).Fsid {
		return fmt.Sprintf("file system %v", system.Fsid), nil
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("device %d", stat.Dev), nil
	}
	return "directory", nil
}

var _ driver.Placer = (*Publisher)(nil)
