//go:build unix

package secret

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedByThisUser reports whether the process's user owns a directory.
func ownedByThisUser(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
