//go:build !linux

package secret_test

import "testing"

func localDir(t testing.TB) string { return t.TempDir() }
