package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A question at the terminal leaves the signals to the program that runs after
// it: layer passes them on and stays beside the program.
func TestSignalsReachAWatchedProgramAfterAPassphrase(t *testing.T) {
	t.Parallel()
	dir := watchFolder(t)
	key, err := os.ReadFile(filepath.Join(dir, "layer.identity"))
	require.NoError(t, err)
	id, _ := layerIn(t, dir, nil, 0, "secret", "ledger", "id")
	file := writeKey(t, t.TempDir(), "key", underPassphrase(t, string(key)))
	x := atTerminal(t, dir, []string{"LAYER_LEDGER_ID=" + strings.TrimSpace(id)}, 120, "secret", "run", "--watch",
		"--spec", "spec.json", "--identity", file, "--", "sh", "-c", `for s in INT HUP TERM QUIT; do trap "echo got $s" $s; done
		echo started; while :; do if read -r line; then echo "read $line"; test "$line" != exit || exit 3; fi; done`)
	x.expect("Passphrase of the identity ")
	x.types(passphrase + "\r")
	x.expects("started")
	for range 2 {
		x.types("\x03")
		x.expects("got INT")
		x.types("\x1c")
		x.expects("got QUIT")
		require.NoError(t, x.cmd.Process.Signal(syscall.SIGHUP))
		x.expects("got HUP")
		require.NoError(t, x.cmd.Process.Signal(syscall.SIGTERM))
		x.expects("got TERM")
		x.types("a line\n")
		x.expects("read a line")
	}
	x.types("exit\n")
	x.ends(3)
}

// So does the prompt for a value, with --then.
func TestSignalsReachTheCommandOfThenAfterAPrompt(t *testing.T) {
	t.Parallel()
	dir := folder(t, stripe)
	x := atTerminal(t, dir, nil, 120, "secret", "set", "billing.stripe-secret", "--spec", "spec.json", "--then",
		`trap 'echo caught' INT; trap 'kill $!; exit 5' TERM
		echo "deploy?"; read answer; echo "it is $answer"; sleep 60 & wait; wait; wait`)
	x.expect("(not shown): ")
	x.types("madeup_Wm29bHs4Ly\r")
	x.expects("deploy?")
	x.types("fine\n")
	x.expects("it is fine")
	for range 2 {
		x.types("\x03")
		x.expects("caught")
	}
	require.NoError(t, x.cmd.Process.Signal(syscall.SIGTERM))
	require.Contains(t, x.ends(130), "the command of --then failed with exit status 5")
}
