package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/internal/filelock"
	"github.com/layeron-hq/secret/layer/rotate"
)

// pipes makes named pipes in a folder, for steps in a fixed order.
func pipes(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, syscall.Mkfifo(filepath.Join(dir, name), 0o600))
	}
}

// reported runs rotate with --then, and returns the versions in LAYER_CHANGED.
func reported(t *testing.T, dir string) (versions []string) {
	t.Helper()
	stdout, _ := layerIn(t, dir, nil, 0, "secret", "rotate", "--spec", "spec.json", "--json", "--then", "true")
	var r reportJSON
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.Equal(t, len(r.Then.Changed) > 0, r.Then.Ran)
	for _, c := range r.Then.Changed {
		versions = append(versions, *c.Version)
	}
	return versions
}

// layer is killed while the command runs, and after the command has succeeded
// and before the ledger records that. The next run reports the change again.
func TestKilledAfterTheConfirmationReportsAgain(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]func(t *testing.T, dir string){
		"while the command runs": func(t *testing.T, dir string) {
			cmd, _, _ := start(t, dir, nil, "secret", "rotate", "--immediate", "--spec", "spec.json", "--then",
				"kill -9 $PPID; exit 0")
			_ = cmd.Wait()
			require.False(t, cmd.ProcessState.Exited())
		},
		"before the mark": func(t *testing.T, dir string) {
			pipes(t, dir, "begun", "go")
			cmd, _, _ := start(t, dir, nil, "secret", "rotate", "--immediate", "--spec", "spec.json", "--then",
				"echo > begun; read x < go; exit 0")
			_, err := os.ReadFile(filepath.Join(dir, "begun"))
			require.NoError(t, err)
			// No lock is held while the command runs. With this one, layer cannot record
			// the success.
			ledger := filepath.Join(dir, "layer.secrets.age")
			lock, err := filelock.Take(t.Context(), ledger+".lock", ledger)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte("\n"), 0o600))
			require.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait()
			require.NoError(t, lock.Unlock())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, rotating)
			require.Equal(t, []string{"v1"}, reported(t, dir))
			kill(t, dir)
			require.Equal(t, "v2", *statusOf(t, dir, nil)["$SECRET.auth.session-key"].Current)
			require.Equal(t, []string{"v2"}, reported(t, dir))
			require.Empty(t, reported(t, dir))
		})
	}
}

// Runs with --then are killed at any point, repeatedly, and two run at once.
// Every version is reported at least once.
func TestKilledRunsLoseNoReport(t *testing.T) {
	slow.Test(t)
	dir := folder(t, rotating)
	const then = `printf '%s\n' "$LAYER_CHANGED" >> told`
	args := []string{"secret", "rotate", "--immediate", "--spec", "spec.json", "--then", then}
	layerIn(t, dir, nil, 0, args...)
	began := time.Now()
	layerIn(t, dir, nil, 0, args...)
	whole := time.Since(began)
	kills, runs := 0, 0
	for ; runs < 40 || kills < 10 && runs < 150; runs++ {
		one, _, _ := start(t, dir, nil, args...)
		two, _, _ := start(t, dir, nil, "secret", "rotate", "--spec", "spec.json", "--then", then)
		kill := time.AfterFunc(whole/4+rand.N(2*whole), func() { _ = one.Process.Kill() })
		_ = one.Wait()
		kill.Stop()
		require.NoError(t, two.Wait())
		if !one.ProcessState.Exited() {
			kills++
		}
	}
	require.GreaterOrEqual(t, kills, 10, "the runs are killed at all")
	layerIn(t, dir, nil, 0, "secret", "rotate", "--spec", "spec.json", "--then", then)
	told := toldIn(t, dir)
	for _, v := range statusOf(t, dir, nil)["$SECRET.auth.session-key"].Versions {
		require.True(t, told[v.ID], "%s was not reported", v.ID)
	}
}

// toldIn returns the versions that the commands in these folders have written
// to the file told, from LAYER_CHANGED.
func toldIn(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	told := map[string]bool{}
	for _, dir := range dirs {
		file, err := os.Open(filepath.Join(dir, "told"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var list []changedJSON
			require.NoError(t, json.Unmarshal(lines.Bytes(), &list))
			for _, c := range list {
				told[*c.Version] = true
			}
		}
	}
	return told
}

// Several machines rotate the same secret at once with --then, in one ledger.
// Each version is reported at least once, and nothing is left to
// report.
func thenAtOnce(t *testing.T, c crowd) {
	first, others := c.begin(5)
	args := func(more ...string) []string {
		return append([]string{"rotate", "$SECRET.auth.session-key", "--spec", "spec.json", "--then",
			`printf '%s\n' "$LAYER_CHANGED" >> told`}, more...)
	}
	c.layer(first, 0, args()...)
	for range 4 {
		c.commands(len(others), func(i int) string { return others[i] }, func(int) []string { return args("--immediate") })
	}
	c.layer(first, 0, args()...)
	told := toldIn(t, append(others, first)...)
	var status reportJSON
	require.NoError(t, json.Unmarshal([]byte(c.layer(first, 1, "status", "--spec", "spec.json", "--json")), &status))
	require.Greater(t, len(status.Secrets[0].Versions), 4)
	for _, v := range status.Secrets[0].Versions {
		require.True(t, told[v.ID], "%s was not reported", v.ID)
	}
	require.Equal(t, "nothing to do\n", c.layer(first, 0, args()...))
}

// A signal to layer reaches every program that the command has started, and the
// exit status is 130. The changes are reported again, unless the command has
// succeeded.
func TestASignalReachesTheCommand(t *testing.T) {
	t.Parallel()
	// A shell acts on SIGINT when the program that it waits for has ended. A long
	// sleep that begins just after the signal would delay it.
	const twoShells = `sh -c 'echo > begun; while :; do sleep 0.1; done; echo never'; echo never`
	for name, test := range map[string]struct {
		signal  syscall.Signal
		command string
		said    string
		again   []string
	}{
		"SIGINT ends it": {syscall.SIGINT, twoShells,
			"was ended by a signal (interrupt): the next run with --then reports the same changes again", []string{"v2"}},
		"SIGTERM ends it": {syscall.SIGTERM, twoShells,
			"was ended by a signal (terminated): the next run with --then reports the same changes again", []string{"v2"}},
		"SIGINT, and it fails": {syscall.SIGINT, `sleep 60 & trap 'kill $!; exit 7' INT; echo > begun; wait`,
			"failed with exit status 7: the next run with --then reports the same changes again", []string{"v2"}},
		"SIGTERM, and it succeeds": {syscall.SIGTERM, `sleep 60 & trap 'kill $!; exit 0' TERM; echo > begun; wait`,
			"every change is confirmed, and the command of --then has succeeded\n", nil},
	} {
		for _, asJSON := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, JSON %v", name, asJSON), func(t *testing.T) {
				t.Parallel()
				dir := folder(t, rotating)
				pipes(t, dir, "begun")
				require.Equal(t, []string{"v1"}, reported(t, dir))
				args := []string{"secret", "rotate", "--immediate", "--spec", "spec.json", "--then", test.command}
				if asJSON {
					args = append(args, "--json")
				}
				cmd, stdout, stderr := start(t, dir, nil, args...)
				cmd.WaitDelay = 30 * time.Second
				_, err := os.ReadFile(filepath.Join(dir, "begun"))
				require.NoError(t, err)
				require.NoError(t, cmd.Process.Signal(test.signal))
				// Wait returns when no process has the other end of the pipe any more.
				_ = cmd.Wait()
				require.Equal(t, 130, cmd.ProcessState.ExitCode(), stderr.String())
				require.NotContains(t, stderr.String(), "never")
				said := stderr.String()
				if asJSON {
					var failure struct {
						OK    *bool
						Error string
					}
					require.NoError(t, json.Unmarshal([]byte(stdout.String()), &failure))
					require.False(t, *failure.OK)
					said = failure.Error + "\n"
				} else {
					require.Contains(t, stdout.String(), "v2 is now current")
				}
				require.Contains(t, said, "interrupted: every change is confirmed")
				require.Contains(t, said, test.said)
				require.Equal(t, test.again, reported(t, dir))
			})
		}
	}
}

// The system may merge two signals, so the tests at a terminal cannot count
// them.
func TestTheTerminalAloneSendsCtrlC(t *testing.T) {
	t.Parallel()
	require.False(t, passesOn(os.Interrupt, true))
	require.True(t, passesOn(os.Interrupt, false))
	require.True(t, passesOn(syscall.SIGTERM, true))
	require.True(t, passesOn(syscall.SIGTERM, false))
}

// At a terminal the command reads what the operator types, and gets Ctrl-C from
// the terminal and SIGTERM from layer.
func TestTheCommandAtATerminal(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	require.Equal(t, []string{"v1"}, reported(t, dir))
	x := atTerminal(t, dir, nil, 80, "secret", "rotate", "--immediate", "--spec", "spec.json", "--then",
		`trap 'echo caught' INT; trap 'kill $!; exit 5' TERM
		echo "deploy?"; read answer; echo "it is $answer"; sleep 60 & wait; wait; wait`)
	x.expect("deploy?")
	x.types("fine\r")
	x.expect("it is fine")
	x.types("\x03")
	x.expect("caught")
	require.NoError(t, x.cmd.Process.Signal(syscall.SIGTERM)) // is passed on after any interrupt
	screen := x.ends(130)
	require.Equal(t, 1, strings.Count(screen, "caught"))
	require.Contains(t, screen, "interrupted: every change is confirmed, and the command of --then failed with exit "+
		"status 5")
	require.Equal(t, []string{"v2"}, reported(t, dir))
}

// Without sh nothing is lost.
func TestWithoutAShellTheChangeIsReportedLater(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	_, stderr := layerIn(t, dir, []string{"PATH=" + t.TempDir()}, 1, "secret", "rotate", "--spec", "spec.json", "--then",
		"echo madeup_Wm29bHs4Ly")
	require.Contains(t, stderr, "every change is confirmed, and the command of --then could not be started: there is "+
		"no sh in PATH: the next run")
	require.NotContains(t, stderr, "madeup", "no message repeats the command")
	require.Equal(t, []string{"v1"}, reported(t, dir))
}

// The command may use layer: no lock is held while it runs. Its changes are
// reported by the next run.
func TestTheCommandMayUseLayer(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	require.Equal(t, []string{"v1"}, reported(t, dir))
	layerIn(t, dir, nil, 0, "secret", "rotate", "--immediate", "--spec", "spec.json", "--then",
		"layer secret status --spec spec.json && layer secret rotate --immediate --spec spec.json")
	require.Equal(t, []string{"v3"}, reported(t, dir))
	require.Empty(t, reported(t, dir))
}

// A variable has at most 128 KiB on Linux. Further changes go to a further run,
// and the changes of one secret stay together.
func TestManyChangesGoToSeveralCommands(t *testing.T) {
	t.Parallel()
	var changes []rotate.Change
	for i := range 1500 {
		for _, op := range []rotate.Op{rotate.OpAdd, rotate.OpFlip} {
			changes = append(changes, rotate.Change{Address: secret.Address{Namespace: strings.Repeat("n", 63),
				Name: fmt.Sprintf("%060d", i)}, Action: op, Version: "v2", Phase: rotate.PhaseCurrent, Generation: 3})
		}
	}
	var all []rotate.Change
	list := parts(changes, maxChanged)
	require.Greater(t, len(list), 3)
	for i, part := range list {
		require.LessOrEqual(t, len(changedText(part)), maxChanged)
		require.Zero(t, len(part)%2, "both changes of a secret are in one part")
		require.True(t, i == len(list)-1 || len(changedText(part)) > maxChanged*9/10, "a part is nearly full")
		all = append(all, part...)
	}
	require.Equal(t, changes, all)
	require.Empty(t, parts(nil, maxChanged))

	ledger := &rotate.MemoryLedger{}
	_, _, err := rotate.Commit(t.Context(), ledger, "", rotate.NewState(rotate.Settings{}))
	require.NoError(t, err)
	for fails, runs := range map[string]int{"false": len(list), "true": 1} {
		dir := t.TempDir()
		l := &layer{process: process{dir: dir, stderr: os.Stderr, environ: os.Environ, lookup: os.LookupEnv}}
		l.out, l.err = newScreen(os.Stderr, os.LookupEnv), newScreen(os.Stderr, os.LookupEnv)
		out, err := l.runThen(context.Background(), &rotate.Operator{Ledger: ledger}, rotate.Result{Unreported: changes},
			`test ${#LAYER_CHANGED} -gt 1000 && echo >> runs && ! `+fails, os.Environ)
		require.Equal(t, fails == "true", err != nil)
		require.True(t, out.Ran)
		text, err := os.ReadFile(filepath.Join(dir, "runs"))
		require.NoError(t, err)
		require.Equal(t, runs, len(text))
	}
}

// interrupting is a ledger that interrupts the command when it is read.
type interrupting struct {
	*rotate.MemoryLedger
	interrupt context.CancelFunc
}

func (i interrupting) Load(ctx context.Context) (rotate.State, rotate.Revision, error) {
	i.interrupt()
	return i.MemoryLedger.Load(ctx)
}

// An interruption after the first of several commands does not count as a report
// of all changes.
func TestAnInterruptionBetweenCommandsSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	var changes []rotate.Change
	for i := range 1000 {
		changes = append(changes, rotate.Change{Address: secret.Address{Namespace: "n", Name: fmt.Sprintf("%060d", i)},
			Action: rotate.OpFlip, Version: "v2", Phase: rotate.PhaseCurrent, Generation: 3})
	}
	require.Len(t, parts(changes, maxChanged), 2)
	memory := &rotate.MemoryLedger{}
	_, _, err := rotate.Commit(t.Context(), memory, "", rotate.NewState(rotate.Settings{}))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	l := &layer{process: process{dir: dir, stderr: os.Stderr, environ: os.Environ, lookup: os.LookupEnv}}
	l.out, l.err = newScreen(os.Stderr, os.LookupEnv), newScreen(os.Stderr, os.LookupEnv)
	_, err = l.runThen(ctx, &rotate.Operator{Ledger: interrupting{memory, cancel}},
		rotate.Result{Unreported: changes}, "echo >> runs", os.Environ)
	require.ErrorIs(t, err, rotate.ErrInterrupted)
	require.ErrorContains(t, err, "the command of --then has succeeded for a part of the changes: the next run with "+
		"--then reports the others")
	text, err := os.ReadFile(filepath.Join(dir, "runs"))
	require.NoError(t, err)
	require.Equal(t, "\n", string(text))
}

// A secret that becomes a bare value after a yes at the terminal is in the same
// report, and not only in that of the next run.
func TestTheReportHasWhatAYesHasPublished(t *testing.T) {
	t.Parallel()
	dir := folder(t, strings.Replace(stripe, "}", `, "format": "json"}`, 1))
	for _, v := range []string{"madeup_Kt61xPw8Zr", "madeup_Wm29bHs4Ly"} {
		layerIn(t, dir, []string{"VALUE=" + v}, 0, "secret", "set", "billing.stripe-secret", "--value-env", "VALUE",
			"--spec", "spec.json", "--then", "true")
	}
	declare(t, dir, stripe, rotating)
	x := atTerminal(t, dir, nil, 120, "secret", "apply", "--spec", "spec.json", "--then",
		`printf '%s\n' "$LAYER_CHANGED" >> told`)
	x.expect("Publish the bare value, without these versions? [y/N] ")
	x.types("y\n")
	require.NotContains(t, x.ends(0), "of an earlier run")
	told, err := os.ReadFile(filepath.Join(dir, "told"))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(told), "\n"), "one command")
	require.Contains(t, string(told), `"action":"create"`)
	require.Contains(t, string(told), `"action":"bare"`)
	require.Empty(t, reported(t, dir))
}
