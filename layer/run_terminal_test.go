package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"

	"github.com/layeron-hq/secret/internal/slow"
)

const watchArgs = "layer secret run --watch --plain --spec spec.json -- "

// bashAtTerminal is an interactive shell with job control at a pseudo-terminal.
func bashAtTerminal(t *testing.T, dir string) *terminal {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		slow.Lacks(t, "bash is not installed")
	}
	x := &terminal{t: t, changed: make(chan struct{}, 1)}
	x.keyboard, x.device, err = pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _ = x.keyboard.Close(); _ = x.device.Close() })
	require.NoError(t, pty.Setsize(x.keyboard, &pty.Winsize{Rows: 24, Cols: 200}))
	x.before, err = term.GetState(int(x.device.Fd()))
	require.NoError(t, err)
	x.cmd = exec.CommandContext(t.Context(), bash, "--norc", "--noprofile", "--noediting", "-i")
	x.cmd.Dir, x.cmd.Env = dir, append(plainEnv(), "PS1=ready> ", "HISTFILE=")
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = x.device, x.device, x.device
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, x.cmd.Start())
	go x.look()
	x.expects("ready> ")
	return x
}

// expects waits until text is on the screen after the text that it waited for
// before.
func (x *terminal) expects(text string) {
	x.t.Helper()
	for timeout := time.After(long); ; {
		if i := strings.Index(x.shown()[x.read:], text); i >= 0 {
			x.read += i + len(text)
			return
		}
		select {
		case <-x.changed:
		case <-timeout:
			x.t.Fatalf("the screen does not show %q after %q", text, x.shown()[max(0, x.read-200):])
		}
	}
}

// The program reads the terminal, and gets Ctrl-C and Ctrl-\ once.
func TestWatchedProgramHasTheTerminal(t *testing.T) {
	t.Parallel()
	script := filepath.Join(watchFolder(t), "program.sh")
	require.NoError(t, os.WriteFile(script, []byte(`trap 'echo got INT' INT
trap 'echo got QUIT' QUIT
trap 'echo got WINCH' WINCH
echo started
while :; do
	if read -r line; then
		echo "read $line"
		test "$line" != exit || exit 3
	fi
done
`), 0o600))
	for name, start := range map[string]func(t *testing.T) *terminal{
		"from a shell": func(t *testing.T) *terminal {
			x := bashAtTerminal(t, filepath.Dir(script))
			x.types(watchArgs + "sh program.sh; echo status $?; exit\n")
			return x
		},
		"from a shell, in a pipeline": func(t *testing.T) *terminal {
			x := bashAtTerminal(t, filepath.Dir(script))
			x.types("set -o pipefail; " + watchArgs + "sh program.sh | (trap '' INT QUIT; exec cat); echo status $?; exit\n")
			return x
		},
		"without a shell": func(t *testing.T) *terminal {
			return atTerminal(t, filepath.Dir(script), nil, 80, append(strings.Fields(watchArgs)[1:], "sh", "program.sh")...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := start(t)
			x.expect("started\r\n")
			x.types("one\n")
			x.expect("\nread one\r\n")
			x.types("\x03")
			x.expect("got INT")
			x.types("\x1c")
			x.expect("got QUIT")
			require.NoError(t, pty.Setsize(x.keyboard, &pty.Winsize{Rows: 30, Cols: 190}))
			x.expect("got WINCH")
			x.types("exit\n")
			x.expect("read exit")
			status := 3
			if name != "without a shell" {
				x.expect("\nstatus 3\r\n")
				status = 0
			}
			x.ends(status)
			for _, signal := range []string{"INT", "QUIT", "WINCH"} {
				require.Equal(t, 1, strings.Count(x.shown(), "got "+signal), signal)
			}
		})
	}
}

// Ctrl-Z stops both, and the shell continues both, in the foreground and in the
// background.
func TestWatchedProgramIsAJob(t *testing.T) {
	t.Parallel()
	dir := watchFolder(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "program.sh"), []byte(`echo started
while read -r line; do
	echo "read $line"
done
`), 0o600))
	x := bashAtTerminal(t, dir)
	x.types(watchArgs + "sh program.sh\n")
	x.expect("\nstarted\r\n")
	for _, line := range []string{"one", "two"} {
		x.types("\x1a")
		x.expects("ready> ")
		x.types("jobs\n")
		x.expects("Stopped")
		x.types("fg\n")
		x.expects("program.sh\r\n")
		x.types(line + "\n")
		x.expects("\nread " + line + "\r\n")
	}
	x.types("\x1a")
	x.expects("ready> ")
	x.types("bg\n") // it reads the terminal, and so stops again
	x.expects("ready> ")
	for began, stopped := time.Now(), false; !stopped; {
		from := x.read
		x.types("jobs\n")
		x.expects("program.sh")
		x.expects("ready> ")
		stopped = strings.Contains(x.shown()[from:x.read], "Stopped")
		require.Less(t, time.Since(began), long)
	}
	x.types("fg\n")
	x.expects("program.sh\r\n")
	x.types("three\n")
	x.expects("\nread three\r\n")
	x.types("\x04")
	x.expects("ready> ")
	x.types("echo status $?\n")
	x.expects("\nstatus 0\r\n")
	x.expects("ready> ")
	// Ctrl-C ends the program, and the shell sees that a signal ended the job.
	x.types(watchArgs + "sh -c 'echo waiting; read x'\n")
	x.expects("waiting\r\n")
	x.types("\x03")
	x.expects("ready> ")
	x.types("echo status $?\n")
	x.expects("\nstatus 130\r\n")
	x.expects("ready> ")
	x.types("exit\n")
	x.ends(0)
}

// A restart in the foreground keeps the terminal, with its settings.
func TestRestartKeepsTheTerminal(t *testing.T) {
	t.Parallel()
	dir := watchFolder(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "program.sh"), []byte(`stty -echo
echo started
while read -r line; do
	echo "read $line"
	stty -a | grep -qw -- -echo && echo silent
	stty echo
done
`), 0o600))
	x := bashAtTerminal(t, dir)
	x.types(watchArgs + "sh program.sh\n")
	x.expects("\nstarted\r\n")
	layerIn(t, dir, nil, 0, "secret", "rotate", "--immediate", "--spec", "spec.json")
	x.expects("has changed: restarting sh")
	x.expects("\nstarted\r\n")
	x.types("one\n")
	x.expects("read one\r\n")
	x.expects("silent\r\n")
	x.types("\x04")
	x.expects("ready> ")
	x.types("exit\n")
	x.ends(0)
}
