package atomicfile

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// listName is the attribute in which Linux keeps a file's access list, see
// acl(5).
const listName = "system.posix_acl_access"

// accessList returns the access list of a file in the encoding of the system.
// It is nil if the file has only permission bits.
func accessList(file *os.File) (list []byte, err error) {
	err = control(file, func(fd int) error {
		for size := 256; ; {
			list = make([]byte, size)
			n, err := unix.Fgetxattr(fd, listName, list)
			switch {
			case err == nil:
				list = list[:n]
				return nil
			case !errors.Is(err, unix.ERANGE):
				list = nil
				return err
			}
			if size, err = unix.Fgetxattr(fd, listName, nil); err != nil {
				return err
			}
		}
	})
	if noList(err) {
		return nil, nil
	}
	return list, err
}

// setAccessList sets the access list of a file. A nil list removes the one that
// the file inherited from its folder.
func setAccessList(file *os.File, list []byte) error {
	err := control(file, func(fd int) error {
		if list == nil {
			return unix.Fremovexattr(fd, listName)
		}
		return unix.Fsetxattr(fd, listName, list, 0)
	})
	if err != nil && (list != nil || !noList(err)) {
		return fmt.Errorf("its access list cannot be kept: %w", err)
	}
	return nil
}

func noList(err error) bool {
	return errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS)
}
