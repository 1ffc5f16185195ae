//go:build !linux

package atomicfile

import "os"

// Only Linux keeps access lists.

func accessList(*os.File) ([]byte, error)  { return nil, nil }
func setAccessList(*os.File, []byte) error { return nil }
