// Package wasm builds Workers for tests.
package wasm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// Module is the path of this module.
const Module = "github.com/layeron-hq/secret"

// Build builds a package of this module as a Worker is deployed, and returns
// the path of the file.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "worker.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, Module+"/"+pkg)
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return file
}

// Glue returns the path of the toolchain's wasm_exec.js.
func Glue(t testing.TB) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js")
}

// Kilobytes returns the size of a file after gzip -9, in units of 1,000 bytes.
// Package gzip would differ by 1 %.
func Kilobytes(t testing.TB, file string) float64 {
	t.Helper()
	if _, err := exec.LookPath("gzip"); err != nil {
		slow.Lacks(t, "gzip is not installed")
	}
	packed, err := exec.Command("gzip", "-9", "-c", file).Output()
	require.NoError(t, err)
	return float64(len(packed)) / 1000
}
