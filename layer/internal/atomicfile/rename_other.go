//go:build !linux

package atomicfile

import "errors"

// renameToNew returns an error: only Linux has a rename that never overwrites
// and works without links.
func (f Folder) renameToNew(string, string) error { return errors.ErrUnsupported }
