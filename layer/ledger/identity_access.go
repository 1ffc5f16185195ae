package ledger

import (
	"fmt"
	"io/fs"
	"os"
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

// IdentityReadable returns a warning if users other than the owner may read the
// identity file, otherwise "". Such access can be intended: systems that provide
// secrets as files often make them readable for a group.
func IdentityReadable(path string) (warning string) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&othersRead == 0 {
		return ""
	}
	return fmt.Sprintf("identity %s: mode %04o lets other users read it and open the ledger: `chmod 600 %[1]s`, "+
		"unless that is intended", path,
		info.Mode().Perm())
}
