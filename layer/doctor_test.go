package main

import (
	"net/http"
	"os"
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
