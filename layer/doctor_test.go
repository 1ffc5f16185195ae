package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// An interrupted doctor has not made all checks, so it reports none.
func TestInterruptedDoctor(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	dir := t.TempDir()
	declare(t, dir, rotating)
	layerIn(t, dir, g.env, 0, "secret", "init", "--to", "cloudflare")
	g.hold(func(*http.Request) bool { return true })
	cmd, stdout, stderr := start(t, dir, g.env, "secret", "doctor", "--spec", "spec.json")
	<-g.waits
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	require.Equal(t, 130, cmd.ProcessState.ExitCode(), stdout.String()+stderr.String())
	require.Equal(t, "layer: interrupted: nothing was changed\n", stderr.String())
	require.Empty(t, stdout.String())
}

// A folder of values that cannot be found is not one that git ignores.
func TestDoctorWithoutTheFolderOfValues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, exec.CommandContext(t.Context(), "git", "init", "-q", dir).Run())
	declare(t, dir, rotating)
	layerIn(t, dir, nil, 0, "secret", "init", "--to", "dir:./secrets")
	require.NoError(t, os.Symlink("secrets", filepath.Join(dir, "secrets")))
	stdout, _ := layerIn(t, dir, nil, 1, "secret", "doctor", "--spec", "spec.json")
	require.Regexp(t, "(?m)^failed   git           directory secrets: ", stdout)
}
