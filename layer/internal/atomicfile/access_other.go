//go:build !linux

package atomicfile

import "os"

// Elsewhere access lists are not kept.

func accessList(*os.File) ([]byte, error)  { return nil, nil }
func setAccessList(*os.File, []byte) error { return nil }
