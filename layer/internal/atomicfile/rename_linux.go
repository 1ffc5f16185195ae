package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// renameToNew renames a file, and fails if the new name exists.
func (f Folder) renameToNew(from, to string) error {
	folder, err := f.Root.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	return control(folder, func(fd int) error {
		if err := unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE); err != nil {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
		}
		return nil
	})
}
