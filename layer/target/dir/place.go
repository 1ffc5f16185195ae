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

// Place implements [driver.Placer]: it identifies the file system that the directory
// is on, so that a disk that is not mounted is noticed.
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
	// Its own id stays when the machine starts anew; a device's number may not.
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
