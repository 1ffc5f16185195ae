package main

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The program does not outlive layer, if layer is killed.
func TestWatchedProgramEndsWithLayer(t *testing.T) {
	t.Parallel()
	w := startWatch(t, watchFolder(t), nil, nil, `echo started; `+waits)
	w.prints("started")
	w.signal(syscall.SIGKILL)
	require.Equal(t, syscall.SIGKILL, w.ends().Signal()) // the program's end closes its stdout
}

// The program cannot read layer's credentials in the memory of layer.
func TestRootWatchHidesLayersCredentials(t *testing.T) {
	t.Parallel()
	p := newHousehold(t, alice, alice, 0o755)
	p.succeeds(alice, alice, "init", "--to", "dir:./secrets")
	p.succeeds(alice, alice, "apply", "--spec", "spec.json")
	const look = "test ! -r /proc/$PPID/environ && test ! -r /proc/$PPID/mem && test -r /proc/self/environ && echo hidden"
	require.Equal(t, "hidden\n", p.succeeds(alice, alice, "run", "--watch", "--spec", "spec.json", "--", "sh", "-c", look))
}
