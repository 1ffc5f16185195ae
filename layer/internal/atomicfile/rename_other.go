//go:build !linux

package atomicfile

import "errors"

// renameToNew fails: only Linux has such a rename that works where links do not.
func (f Folder) renameToNew(string, string) error { return errors.ErrUnsupported }
