package main

import (
	"os"
	"os/exec"
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
		"--spec", "spec.json", "--identity", file, "--", "sh", "-c",
		`for s in INT HUP TERM QUIT; do trap "echo got $s" $s; done
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

// While a watched program has the terminal, a plugin that needs a PIN gets none:
// the program could read it. The program keeps running.
func TestNoPluginAsksBesideAWatchedProgram(t *testing.T) {
	t.Parallel()
	dir := watchFolder(t)
	withPIN, to := pluginKeys("madeup-PIN")
	layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--add", to)
	id, _ := layerIn(t, dir, nil, 0, "secret", "ledger", "id")
	x := atTerminal(t, dir, []string{"LAYER_LEDGER_ID=" + strings.TrimSpace(id)}, 200, "secret", "run", "--watch",
		"--spec", "spec.json", "--identity", writeKey(t, t.TempDir(), "key", withPIN), "--", "sh", "-c",
		`echo started; read -r line; echo "read $line"; exit 3`)
	x.expects("PIN (not shown): ")
	x.types("madeup-PIN\r")
	x.expects("started")
	// A change of the ledger alone: a new value in the folder restarts the program.
	_, another := pluginKeys("madeup-PIN")
	layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--add", another)
	x.expects("the program has the terminal: run this command again to answer it")
	x.expects("The program keeps running")
	x.types("a line\n")
	x.expects("read a line")
	require.Equal(t, 1, strings.Count(x.ends(3), "PIN (not shown)"))
}

// Ctrl-Z stops layer with the command, also after a prompt.
func TestCtrlZStopsTheCommandOfThenAfterAPrompt(t *testing.T) {
	t.Parallel()
	dir := folder(t, stripe)
	x := bashAtTerminal(t, dir)
	x.types("layer secret set billing.stripe-secret --spec spec.json --then " +
		"'echo $$ > pid; echo deploy; read a; echo is $a'; exit\n")
	x.expects("(not shown): ")
	x.types("madeup_Wm29bHs4Ly\r")
	x.expects("deploy\r\n")
	x.types("\x1a")
	x.expects("Stopped")
	x.expects("ready> ")
	// Under load the command may act on the signal later than layer, and would read a
	// part of what is typed for the shell.
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	require.NoError(t, err)
	x.until(func() bool {
		state, err := exec.Command("ps", "-o", "state=", "-p", strings.TrimSpace(string(pid))).Output()
		require.NoError(t, err)
		return strings.HasPrefix(string(state), "T")
	})
	x.types("fg; exit\n")
	x.expects("layer secret set")
	x.types("fine\n")
	x.expects("is fine")
	x.ends(0)
}
