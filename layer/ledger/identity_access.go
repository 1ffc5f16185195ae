package ledger

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const (
	othersRead  fs.FileMode = 0o044
	othersWrite fs.FileMode = 0o022
)

// writableByOthers returns the error for an identity that other users may write.
// Another user could replace the key with their own, and the ledger with one that
// is encrypted to that key.
func writableByOthers(path string, mode fs.FileMode) error {
	return fmt.Errorf("identity %s: mode %04o lets other users write it: check that it contains your key, then "+
		"`chmod 600 %[1]s`. If the file system "+
		"has no modes, move the file to another one, or put the key itself into %[3]s", path, mode, IdentityVariable)
}

// IdentityReadable returns a warning if users other than the owner and this one
// may read the identity file, otherwise "". Such access can be intended: systems
// that provide secrets as files often make them readable for a group.
func IdentityReadable(path string) (warning string) {
	info, err := os.Stat(path)
	if err != nil || !ReadableByOthers(info) {
		return ""
	}
	return fmt.Sprintf("identity %s: mode %04o lets other users read it and open the ledger: `chmod 600 %[1]s`, "+
		"unless that is intended", path,
		info.Mode().Perm())
}

// ReadableByOthers reports whether users other than the owner and this one may
// read a file. A file of another owner that only a group may read is closed to
// them: systemd and Kubernetes provide a credential in this way, with an access
// list or a group for this user alone, and without that permission this user
// could not read it. Root does not need the permission.
func ReadableByOthers(info fs.FileInfo) bool {
	owner := 0
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = int(s.Uid)
	}
	return readableByOthers(info.Mode().Perm(), owner, os.Geteuid())
}

func readableByOthers(mode fs.FileMode, owner, user int) bool {
	if user != 0 && user != owner {
		return mode&othersRead&0o007 != 0
	}
	return mode&othersRead != 0
}
