package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Go initialises every package before main, also one that a command does not use.
// So an own package compiles no regular expression there and builds no table: a
// dependency of a dependency costs enough. Counts of objects and bytes are the same
// on every machine, unlike times.
func TestPackagesAreNotInitialisedForNothing(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), program(t), "--help")
	cmd.Env = append(plainEnv(), "GODEBUG=inittrace=1")
	var trace bytes.Buffer
	cmd.Stderr = &trace
	require.NoError(t, cmd.Run())
	found := regexp.MustCompile(`(?m)^init (github\.com/layeron-hq/secret\S*) @.* (\d+) bytes, (\d+) allocs$`).
		FindAllStringSubmatch(trace.String(), -1)
	require.NotEmpty(t, found)
	for _, one := range found {
		size, err := strconv.Atoi(one[2])
		require.NoError(t, err)
		objects, err := strconv.Atoi(one[3])
		require.NoError(t, err)
		if one[1] == "github.com/layeron-hq/secret/layer" { // here with its tests
			continue
		}
		require.LessOrEqual(t, size, 16<<10, one[1])
		require.LessOrEqual(t, objects, 100, one[1])
	}
}
