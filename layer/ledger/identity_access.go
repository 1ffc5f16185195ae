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

// writableByOthers refuses an identity: another user could replace the key by one of
// theirs, and the ledger with it.
func writableByOthers(path string, mode fs.FileMode) error {
	return fmt.Errorf("identity %s: mode %04o lets other users write it: see that it holds your key, then `chmod 600 %[1]s`. Where the file system "+
		"keeps no modes, move it to another one, or put the key itself into %[3]s", path, mode, IdentityVariable)
}

// IdentityReadable returns a warning if users other than the owner may read the file
// of an identity, and else "". It may be so by intent: systems that hand out secrets
// as files give them to a group.
func IdentityReadable(path string) (warning string) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&othersRead == 0 {
		return ""
	}
	return fmt.Sprintf("identity %s: mode %04o lets other users read it, and so open the ledger: `chmod 600 %[1]s`, unless that is intended", path,
		info.Mode().Perm())
}
