package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// watchTest is a running `layer secret run --watch` with pipes.
type watchTest struct {
	t      *testing.T
	dir    string
	env    []string
	cmd    *exec.Cmd
	pipes  []io.Closer
	lines  chan string // of the program's stdout
	mu     sync.Mutex
	stderr strings.Builder
	said   chan struct{}
	silent chan struct{} // closed at the end of stderr
}

// long is longer than any step takes on a busy machine.
const long = time.Minute

// startWatch runs a shell script under --watch.
func startWatch(t *testing.T, dir string, env, flags []string, script string) *watchTest {
	t.Helper()
	w := &watchTest{t: t, dir: dir, env: env, lines: make(chan string, 100), said: make(chan struct{}, 1),
		silent: make(chan struct{})}
	args := append([]string{"secret", "run", "--watch", "--spec", "spec.json"}, flags...)
	w.cmd = exec.CommandContext(t.Context(), program(t), append(args, "--", "sh", "-c", script)...)
	w.cmd.Dir, w.cmd.Env = dir, append(plainEnv(), env...)
	stdout, err := w.cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := w.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, w.cmd.Start())
	go func() {
		defer close(w.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			w.lines <- s.Text()
		}
	}()
	w.pipes = []io.Closer{stdout, stderr}
	go func() {
		defer close(w.silent)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			w.mu.Lock()
			fmt.Fprintln(&w.stderr, s.Text())
			w.mu.Unlock()
			select {
			case w.said <- struct{}{}:
			default:
			}
		}
	}()
	return w
}

func (w *watchTest) says() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stderr.String()
}

// prints waits for the next line of the program.
func (w *watchTest) prints(want string) {
	w.t.Helper()
	select {
	case line, open := <-w.lines:
		require.True(w.t, open, "the program has ended: %s", w.says())
		require.Equal(w.t, want, line)
	case <-time.After(long):
		w.t.Fatalf("the program does not print %q: %s", want, w.says())
	}
}

// reports waits for a text on stderr.
func (w *watchTest) reports(want string) {
	w.t.Helper()
	for timeout := time.After(long); !strings.Contains(w.says(), want); {
		select {
		case <-w.said:
		case <-timeout:
			w.t.Fatalf("stderr lacks %q: %s", want, w.says())
		}
	}
}

func (w *watchTest) layer(args ...string) {
	w.t.Helper()
	layerIn(w.t, w.dir, w.env, 0, append([]string{"secret"}, append(args, "--spec", "spec.json")...)...)
}

func (w *watchTest) signal(s syscall.Signal) {
	w.t.Helper()
	require.NoError(w.t, w.cmd.Process.Signal(s))
}

// ends waits for the end of layer.
func (w *watchTest) ends() syscall.WaitStatus {
	w.t.Helper()
	hangs := time.AfterFunc(long, func() {
		_ = w.cmd.Process.Kill()
		for _, p := range w.pipes {
			_ = p.Close() // the program may have it still
		}
	})
	for line := range w.lines {
		w.t.Errorf("the program prints %q", line)
	}
	<-w.silent
	_ = w.cmd.Wait()
	require.True(w.t, hangs.Stop(), "layer hangs")
	return w.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// current returns the current value in the ledger.
func (w *watchTest) current() string {
	w.t.Helper()
	stdout, _ := layerIn(w.t, w.dir, w.env, 0, "secret", "reveal", "$SECRET.auth.session-key", "--yes", "--spec",
		"spec.json")
	return strings.TrimSuffix(stdout, "\n")
}

// hasCurrent checks that the program has written the current value into got.
func (w *watchTest) hasCurrent() {
	w.t.Helper()
	got, err := os.ReadFile(filepath.Join(w.dir, "got"))
	require.NoError(w.t, err)
	require.True(w.t, string(got) == w.current(), "the program has the current value")
}

// waits makes a script wait until it gets a signal. Its read ends with the
// script, so that nothing is left.
const waits = "while :; do read -r _ <hold; done"

// watchFolder makes a folder with a ledger, a value and a pipe without a writer.
func watchFolder(t *testing.T) string {
	t.Helper()
	dir := folder(t, rotating)
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "hold"), 0o600))
	return dir
}

// The program starts again with the new value, and then ends run.
func TestWatchRestartsTheProgram(t *testing.T) {
	t.Parallel()
	w := startWatch(t, watchFolder(t), nil, []string{"--env", "KEY=auth.session-key"},
		`printf %s "$KEY" >got; trap 'echo ended; exit 5' TERM; echo started; `+waits)
	w.prints("started")
	w.hasCurrent()
	for range 2 {
		w.layer("rotate", "--immediate")
		w.prints("ended")
		w.prints("started")
		w.hasCurrent()
	}
	w.reports("layer: $SECRET.auth.session-key has changed: restarting sh\n")
	if runtime.GOOS == "linux" {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", w.cmd.Process.Pid))
		if err == nil && len(children) > 0 { // not every kernel has this file, and another thread may be the parent
			require.Len(t, strings.Fields(string(children)), 1, "no zombies")
		}
	}
	w.signal(syscall.SIGTERM)
	w.prints("ended")
	require.Equal(t, 5, w.ends().ExitStatus())
	require.Equal(t, 2, strings.Count(w.says(), "restarting"))
	require.Empty(t, readable(w.says()))
}

// With --signal the program stays, and gets the signal after a change in the
// folder of values.
func TestWatchSignalsTheProgram(t *testing.T) {
	t.Parallel()
	w := startWatch(t, watchFolder(t), nil, []string{"--signal", "sighup"},
		`trap 'cat secrets/LAYERON* >got; echo reloaded' HUP; trap 'exit 0' TERM; echo started; `+waits)
	w.prints("started")
	w.layer("rotate", "--immediate")
	w.prints("reloaded")
	stored, err := os.ReadFile(filepath.Join(w.dir, "secrets", "LAYERON_SECRET_AUTH_SESSION_KEY"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(w.dir, "got"))
	require.NoError(t, err)
	require.True(t, string(stored) == string(got))
	w.reports("layer: $SECRET.auth.session-key has changed: sending SIGHUP to sh\n")

	// A change in the folder alone.
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "secrets", "LAYERON_SECRET_AUTH_SESSION_KEY"), []byte("by hand"),
		0o600))
	w.prints("reloaded")
	w.signal(syscall.SIGTERM)
	require.Equal(t, 0, w.ends().ExitStatus())
}

// Run ends as the program ends.
func TestWatchEndsLikeTheProgram(t *testing.T) {
	t.Parallel()
	dir := watchFolder(t)
	exits := func(status int) syscall.WaitStatus { return syscall.WaitStatus(status << 8) }
	for script, want := range map[string]syscall.WaitStatus{
		"exit 0": exits(0), "exit 7": exits(7), "exit 130": exits(130),
		"kill -TERM $$": syscall.WaitStatus(syscall.SIGTERM), "kill -INT $$": syscall.WaitStatus(syscall.SIGINT),
		"kill -KILL $$": syscall.WaitStatus(syscall.SIGKILL), "kill -USR1 $$": syscall.WaitStatus(syscall.SIGUSR1),
		"ulimit -c 0; kill -SEGV $$": syscall.WaitStatus(syscall.SIGSEGV),
		"ulimit -c 0; kill -QUIT $$": syscall.WaitStatus(syscall.SIGQUIT),
	} {
		w := startWatch(t, dir, nil, nil, script)
		require.Equal(t, want, w.ends(), script)
		require.Empty(t, w.says(), script)
	}
}

// A signal to layer reaches the program, once.
func TestWatchPassesSignalsOn(t *testing.T) {
	t.Parallel()
	names := map[syscall.Signal]string{syscall.SIGHUP: "HUP", syscall.SIGINT: "INT", syscall.SIGQUIT: "QUIT",
		syscall.SIGUSR1: "USR1", syscall.SIGUSR2: "USR2", syscall.SIGALRM: "ALRM", syscall.SIGWINCH: "WINCH",
		syscall.SIGCONT: "CONT", syscall.SIGABRT: "ABRT", syscall.SIGTERM: "TERM"}
	script := ""
	for _, name := range names {
		script += "trap 'echo " + name + "' " + name + "; "
	}
	w := startWatch(t, watchFolder(t), nil, nil, script+"trap 'echo TERM; exit 0' TERM; echo started; "+waits)
	w.prints("started")
	for number, name := range names {
		if number != syscall.SIGTERM {
			w.signal(number)
			w.prints(name)
		}
	}
	w.signal(syscall.SIGTERM)
	w.prints("TERM")
	require.Equal(t, 0, w.ends().ExitStatus())
}

// A program that ends while it restarts, because the user ends it, is not
// started again.
func TestWatchEndsDuringARestart(t *testing.T) {
	t.Parallel()
	w := startWatch(t, watchFolder(t), nil, nil, `trap 'echo TERM' TERM; trap 'exit 9' INT; echo started; `+waits)
	w.prints("started")
	w.layer("rotate", "--immediate")
	w.prints("TERM")
	w.signal(syscall.SIGINT)
	require.Equal(t, 9, w.ends().ExitStatus())
}

// A program that ignores SIGTERM is killed.
func TestWatchKillsAProgramThatDoesNotEnd(t *testing.T) {
	slow.Test(t)
	t.Parallel()
	w := startWatch(t, watchFolder(t), nil, nil, `trap '' TERM; trap 'exit 9' INT; echo started; `+waits)
	w.prints("started")
	w.layer("rotate", "--immediate")
	w.prints("started")
	w.reports("sh has not ended within 10s of SIGTERM: killing it")
	w.signal(syscall.SIGINT)
	require.Equal(t, 9, w.ends().ExitStatus())
}

// An older ledger, another one and a damaged one are reported, and the program
// keeps running. The newest one is then used.
func TestWatchRefusesALedger(t *testing.T) {
	t.Parallel()
	dir, other := watchFolder(t), folder(t, rotating)
	ledger := filepath.Join(dir, "layer.secrets.age")
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return text
	}
	older := read(ledger)
	w := startWatch(t, dir, nil, []string{"--plain"},
		`printf %s "$LAYERON_SECRET_AUTH_SESSION_KEY" >got; trap 'exit 0' TERM; echo started; `+waits)
	w.prints("started")
	w.layer("rotate", "--immediate")
	w.prints("started")
	newest := read(ledger)
	for _, test := range []struct {
		text []byte
		says string
	}{
		{older, "older"}, {[]byte("damaged"), "damaged"}, {read(filepath.Join(other, "layer.secrets.age")), "ledger"},
	} {
		require.NoError(t, os.WriteFile(ledger, test.text, 0o600))
		w.reports(test.says)
		w.reports("The program keeps running with the values that it has")
		require.NoError(t, os.WriteFile(ledger, newest, 0o600))
		w.reports("the ledger can be used again")
		w.mu.Lock()
		w.stderr.Reset()
		w.mu.Unlock()
	}
	w.layer("rotate", "--immediate")
	w.prints("started")
	w.hasCurrent()
	w.signal(syscall.SIGTERM)
	require.Equal(t, 0, w.ends().ExitStatus())
}

// Another clone of the ledger has rotated: the target is ahead.
func TestWatchReportsAnOldCopy(t *testing.T) {
	t.Parallel()
	dir := watchFolder(t)
	clone := t.TempDir()
	for _, name := range []string{"layer.secrets.age", "layer.identity", "spec.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(clone, name), text, 0o600))
	}
	require.NoError(t, os.Symlink(filepath.Join(dir, "secrets"), filepath.Join(clone, "secrets")))
	w := startWatch(t, dir, nil, []string{"--plain"},
		`printf %s "$LAYERON_SECRET_AUTH_SESSION_KEY" >got; trap 'exit 0' TERM; echo started; `+waits)
	w.prints("started")
	layerIn(t, clone, nil, 0, "secret", "rotate", "--immediate", "--spec", "spec.json")
	w.reports("This ledger is an old copy")
	text, err := os.ReadFile(filepath.Join(clone, "layer.secrets.age"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "layer.secrets.age"), text, 0o600))
	w.prints("started")
	w.hasCurrent()
	w.signal(syscall.SIGTERM)
	require.Equal(t, 0, w.ends().ExitStatus())
}
