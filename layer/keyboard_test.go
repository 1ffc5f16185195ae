package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const valuePrompt = "Value of $SECRET.billing.stripe-secret (not shown): "

// loading starts `secret set` at a terminal, or in a shell there, with a spec that it
// waits for until the result is called.
func loading(t *testing.T, dir, script string) (x *terminal, goOn func()) {
	t.Helper()
	pipe := filepath.Join(dir, "pipe.json")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	args := []string{"secret", "set", "$SECRET.billing.stripe-secret", "--spec", "pipe.json"}
	if script == "" {
		x = atTerminal(t, dir, nil, 120, args...)
	} else {
		x = shellAtTerminal(t, dir, script)
	}
	f, err := os.OpenFile(pipe, os.O_WRONLY, 0) // returns when layer opens it
	require.NoError(t, err)
	return x, func() {
		_, err := f.WriteString(`{"secrets": [` + stripe + `]}`)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

// echoes reports whether the terminal shows typed text.
func (x *terminal) echoes() bool {
	mode, err := unix.IoctlGetTermios(int(x.device.Fd()), getTermios)
	require.NoError(x.t, err)
	return mode.Lflag&unix.ECHO != 0
}

// While layer loads the packages, the terminal shows nothing that is typed. The input
// is discarded, so the command that a person typed ahead does not become the value.
func TestTypedAheadIsNotShownAndNotUsed(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]string{
		"a value": "madeup_early", "a line": "madeup_early\r", "several lines": "madeup_early\r\nmadeup_late\r",
		"the end of input": "\x04", "a long text": strings.Repeat("madeup_early", 800),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, stripe)
			x, goOn := loading(t, dir, "")
			require.False(t, x.echoes())
			x.types(early)
			goOn()
			x.expect("what was typed before this question was discarded")
			x.expect(valuePrompt)
			x.types("madeup_Wm29bHs4Ly\r")
			screen := x.ends(0)
			require.NotContains(t, screen, "madeup")
			stdout, _ := layerIn(t, dir, nil, 0, "secret", "reveal", "$SECRET.billing.stripe-secret", "--yes")
			require.True(t, stdout == "madeup_Wm29bHs4Ly\n", "the value that answers the prompt is stored")
		})
	}
	dir := folder(t, stripe)
	x, goOn := loading(t, dir, "")
	goOn()
	x.expect(valuePrompt)
	x.types("madeup_Wm29bHs4Ly\r")
	require.NotContains(t, x.ends(0), "discarded")
}

// The terminal shows typed text again after an error and after a signal. ends checks
// the mode.
func TestHushedTerminalIsRestored(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leave  func(x *terminal)
		status int
	}{
		"Ctrl-C":  {func(x *terminal) { x.types("madeup\x03") }, 130},
		"SIGTERM": {func(x *terminal) { require.NoError(x.t, x.cmd.Process.Signal(syscall.SIGTERM)) }, 130},
		"SIGHUP":  {func(x *terminal) { require.NoError(x.t, x.cmd.Process.Signal(syscall.SIGHUP)) }, -1},
		"SIGINT twice": {func(x *terminal) {
			require.NoError(x.t, x.cmd.Process.Signal(syscall.SIGINT))
			x.until(x.echoes)
			_ = x.cmd.Process.Signal(syscall.SIGINT)
		}, 130},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, stripe)
			x, goOn := loading(t, dir, "")
			test.leave(x)
			x.until(x.echoes)
			if name == "SIGINT twice" {
				_ = x.cmd.Wait()
				return
			}
			if test.status != -1 {
				goOn()
			}
			require.NotContains(t, x.ends(test.status), "madeup")
		})
	}
	dir := folder(t, stripe)
	x := atTerminal(t, dir, nil, 120, "secret", "set", "$SECRET.billing.stripe-secret", "--spec", "missing.json")
	require.Contains(t, x.ends(1), "cannot be read")
	for _, how := range []string{"--from-stdin", "--value-env=X"} {
		x := atTerminal(t, dir, nil, 120, "secret", "set", "$SECRET.billing.stripe-secret", "--spec", "missing.json", how)
		x.ends(1)
	}
}

// Ctrl-Z suspends layer and gives the shell a terminal that shows typed text, while
// layer loads and at the prompt. After fg the value is not shown.
func TestSuspendedTerminalIsRestored(t *testing.T) {
	t.Parallel()
	dir := folder(t, stripe)
	x, goOn := loading(t, dir, `set -m
layer secret set '$SECRET.billing.stripe-secret' --spec pipe.json
echo first stop; stty -a; fg
echo second stop; stty -a; fg
echo end; stty -a`)
	require.False(t, x.echoes())
	x.types("madeup_early\x1a")
	x.expect("first stop")
	x.expect(" echo ")
	x.until(func() bool { return !x.echoes() })
	x.types("madeup_early\r")
	goOn()
	x.expect(valuePrompt)
	x.types("madeup_\x1a")
	x.expect("second stop")
	x.until(func() bool { return strings.Count(x.shown(), valuePrompt) == 2 })
	x.until(func() bool { return !x.echoes() })
	x.types("Wm29bHs4Ly\r")
	screen := x.ends(0)
	require.Equal(t, 3, strings.Count(screen, " echo "), "in the shell")
	require.NotContains(t, screen, "-echo ")
	require.NotContains(t, screen, "madeup")
	stdout, _ := layerIn(t, dir, nil, 0, "secret", "reveal", "$SECRET.billing.stripe-secret", "--yes")
	require.True(t, stdout == "madeup_Wm29bHs4Ly\n", "the value is stored")
}

// Without a shell that could continue it, Ctrl-Z does nothing.
func TestCtrlZWithoutAShellShowsNothing(t *testing.T) {
	t.Parallel()
	dir := folder(t, stripe)
	x := atTerminal(t, dir, nil, 120, "secret", "set", "$SECRET.billing.stripe-secret", "--spec", "spec.json")
	x.expect(valuePrompt)
	x.types("madeup_\x1a")
	x.until(func() bool { return strings.Count(x.shown(), valuePrompt) == 2 })
	x.types("Wm29bHs4Ly\r")
	require.NotContains(t, x.ends(0), "madeup")
}

// A question is answered after it was asked, also where the terminal is hushed.
func TestQuestionIsNotAnsweredAhead(t *testing.T) {
	t.Parallel()
	dir := folder(t, stripe)
	key, err := os.ReadFile(filepath.Join(dir, "layer.identity"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "layer.seen")))
	x := atTerminal(t, dir, []string{"LAYER_IDENTITY=" + identityKey.FindString(string(key))}, 120, "secret", "set",
		"$SECRET.billing.stripe-secret", "--spec", "spec.json")
	x.expect("[y/N] ")
	require.True(t, x.echoes())
	x.types("y\n")
	x.expect(valuePrompt)
	x.types("madeup_Wm29bHs4Ly\r")
	require.NotContains(t, x.ends(0), "madeup")
}

// shellAtTerminal is atTerminal for a script of the shell.
func shellAtTerminal(t *testing.T, dir, script string) *terminal {
	t.Helper()
	shell, err := exec.LookPath("sh")
	require.NoError(t, err)
	return programAtTerminal(t, dir, nil, 120, shell, "-c", script)
}
