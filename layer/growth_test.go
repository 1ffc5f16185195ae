package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/growth"
	"github.com/layeron-hq/secret/internal/slow"
)

// commandSizes are numbers of secrets: every command needs milliseconds for each.
func commandSizes() []int {
	if slow.All() {
		return []int{100, 200, 400, 800, 1600, 12800}
	}
	return []int{100, 200, 400}
}

// inMemory returns a new folder, in memory if possible: a disk would take most of
// the time.
func inMemory(t *testing.T) string {
	t.Helper()
	if info, err := os.Stat("/dev/shm"); err != nil || !info.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "layer")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// grownFolder declares n secrets in a new folder and initializes it.
func grownFolder(t *testing.T, n int) string {
	t.Helper()
	dir := inMemory(t)
	var secrets []string
	for i := range n {
		secrets = append(secrets, fmt.Sprintf(`{"kind": "random", "namespace": "growth", "name": "key-%06d", `+
			`"rotation": {"everyDays": 90, "retain": {"mode": "none"}}}`, i))
	}
	declare(t, dir, secrets...)
	mustHere(t, dir, "init", "--to", "dir:secrets")
	return dir
}

// mustHere runs a command in this process, so that its allocations count.
func mustHere(t *testing.T, dir string, args ...string) {
	t.Helper()
	r := runHere(t, dir, nil, append([]string{"secret"}, args...)...)
	require.Zero(t, r.status, r.stderr)
}

func TestGrowthOfCommands(t *testing.T) {
	slow.Timed(t)
	folders := map[int]string{}
	for _, n := range commandSizes() {
		folders[n] = grownFolder(t, n)
	}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"apply", []string{"apply"}},
		{"apply without changes", []string{"apply"}},
		{"status", []string{"status"}},
		{"rotate without changes", []string{"rotate"}},
		{"rotate, the announcement", []string{"rotate", "--now"}},
		{"rotate, the flip", []string{"rotate", "--immediate", "--now"}},
	} {
		objects := map[int]float64{}
		run := func(n int) { mustHere(t, folders[n], append(c.args, "--spec", "spec.json")...) }
		growth.Counts(t, "bytes of "+c.name, commandSizes(), func(n int) (bytes float64) {
			bytes, objects[n] = growth.Allocated(func() { run(n) })
			return bytes
		})
		growth.Counts(t, "allocations of "+c.name, commandSizes(), func(n int) float64 { return objects[n] })
		growth.Counts(t, "size of the ledger after "+c.name, commandSizes(), func(n int) float64 {
			info, err := os.Stat(filepath.Join(folders[n], "layer.secrets.age"))
			require.NoError(t, err)
			return float64(info.Size())
		})
		if c.name == "status" {
			growth.Times(t, "time of status", commandSizes(), func(n int) func() { return func() { run(n) } })
		}
	}
}
