package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	ossignal "os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// statusOf runs status and returns the secrets by address.
func statusOf(t *testing.T, dir string, env []string) map[string]secretJSON {
	t.Helper()
	stdout, _ := layerIn(t, dir, env, 0, "secret", "status", "--spec", "spec.json", "--json")
	var r reportJSON
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.True(t, r.OK)
	list := map[string]secretJSON{}
	for _, s := range r.Secrets {
		list[s.Address] = s
	}
	return list
}

// The signal arrives while a request hangs. The run finishes the current step
// if the answer arrives, and abandons it otherwise. In both cases the exit
// status is 130, and the message contains the progress of the run.
func TestInterruptedRunIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		signal  os.Signal
		answers bool // the hanging request is answered after the signal
		left    string
	}{
		"SIGINT, answered":   {os.Interrupt, true, "half done|not confirmed"},
		"SIGTERM, answered":  {syscall.SIGTERM, true, "half done|not confirmed"},
		"SIGINT, unanswered": {os.Interrupt, false, "1 secret is recorded in the ledger and not confirmed"},
	} {
		for _, asJSON := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, JSON %v", name, asJSON), func(t *testing.T) {
				t.Parallel()
				g := newGate(t)
				dir := t.TempDir()
				declare(t, dir, rotating)
				layerIn(t, dir, g.env, 0, "secret", "init", "--to", "cloudflare")
				layerIn(t, dir, g.env, 0, "secret", "apply", "--spec", "spec.json")
				g.hold(writes)
				args := []string{"secret", "rotate", "--immediate", "--spec", "spec.json"}
				if asJSON {
					args = append(args, "--json")
				}
				cmd, stdout, stderr := start(t, dir, g.env, args...)
				<-g.waits
				require.NoError(t, cmd.Process.Signal(test.signal))
				if test.answers {
					g.answer()
				}
				_ = cmd.Wait()
				require.Equal(t, 130, cmd.ProcessState.ExitCode(), stderr.String())
				said := stderr.String()
				if asJSON {
					var failure struct {
						OK    *bool
						Error string
					}
					require.NoError(t, json.Unmarshal([]byte(stdout.String()), &failure))
					require.False(t, *failure.OK)
					require.NotContains(t, said, "interrupted")
					said = failure.Error
				}
				require.Regexp(t, "interrupted: .*("+test.left+")", said)
				require.Empty(t, readable(said))
				g.open()
				layerIn(t, dir, g.env, 0, "secret", "rotate", "--spec", "spec.json")
				s := statusOf(t, dir, g.env)["$SECRET.auth.session-key"]
				require.Equal(t, "ok", s.State)
				require.Equal(t, "v2", *s.Current)
				require.Len(t, s.Versions, 2)
			})
		}
	}
}

// TestInterruptedBeforeAnything interrupts layer while it waits for another
// run, or for stdin.
func TestInterruptedBeforeAnything(t *testing.T) {
	t.Parallel()
	t.Run("the lock", func(t *testing.T) {
		t.Parallel()
		g := newGate(t)
		dir := t.TempDir()
		declare(t, dir, rotating)
		layerIn(t, dir, g.env, 0, "secret", "init", "--to", "cloudflare")
		g.hold(writes)
		first, _, _ := start(t, dir, g.env, "secret", "apply", "--spec", "spec.json")
		<-g.waits
		second := atTerminal(t, dir, g.env, 80, "secret", "apply", "--spec", "spec.json")
		second.expect("waiting for another run to end …")
		second.types("\x03")
		require.Contains(t, second.ends(130), "layer: interrupted: nothing was changed")
		g.open()
		require.NoError(t, first.Wait())
	})
	t.Run("stdin", func(t *testing.T) {
		t.Parallel()
		dir := folder(t, stripe)
		cmd := exec.CommandContext(t.Context(), program(t), "secret", "set", "$SECRET.billing.stripe-secret", "--spec",
			"spec.json", "--from-stdin")
		cmd.Dir, cmd.Env = dir, plainEnv()
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		// The text is larger than a pipe's buffer, so layer must be reading.
		_, err = in.Write([]byte(strings.Repeat("madeup_Wm29bHs4Ly", 10_000)))
		require.NoError(t, err)
		nowhereInArguments(t, "madeup_Wm29bHs4Ly")
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		_ = cmd.Wait()
		require.Equal(t, 130, cmd.ProcessState.ExitCode(), stderr.String())
		require.Equal(t, "layer: interrupted: nothing was changed\n", stderr.String())
	})
	t.Run("the declarations on stdin", func(t *testing.T) {
		t.Parallel()
		dir := folder(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, program(t), "secret", "apply", "--spec", "-")
		cmd.Dir, cmd.Env = dir, plainEnv()
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		// The text is larger than a pipe's buffer, so layer must be reading.
		_, err = in.Write([]byte(strings.Repeat(" ", 200_000)))
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		_ = cmd.Wait()
		require.Equal(t, 130, cmd.ProcessState.ExitCode(), stderr.String())
		require.Equal(t, "layer: interrupted: nothing was changed\n", stderr.String())
	})
}

// TestInterruptedInTheCompiler checks that a signal also ends the reading of
// the declarations, which can take long.
func TestInterruptedInTheCompiler(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	tools, begun := t.TempDir(), filepath.Join(dir, "begun")
	require.NoError(t, syscall.Mkfifo(begun, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(tools, "go"), []byte("#!/bin/sh\necho > "+begun+"\nexec sleep 60\n"),
		0o700))
	cmd, stdout, stderr := start(t, dir, []string{"PATH=" + tools + ":" + os.Getenv("PATH")}, "secret", "apply", "--json")
	_, err := os.ReadFile(begun)
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	require.Equal(t, 130, cmd.ProcessState.ExitCode(), stderr.String())
	require.Empty(t, stderr.String())
	require.Regexp(t, `(?s)^\{\s*"ok": false,\s*"error": "interrupted: [^"]*"\s*\}\s*$`, stdout.String())
}

// TestTwoAtOnce checks that several concurrent runs of apply have the effect of
// one.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	var all []*exec.Cmd
	for range 5 {
		cmd, _, _ := start(t, dir, nil, "secret", "apply", "--spec", "spec.json")
		all = append(all, cmd)
	}
	for _, cmd := range all {
		require.NoError(t, cmd.Wait())
	}
	s := statusOf(t, dir, nil)["$SECRET.auth.session-key"]
	require.Equal(t, "v1", *s.Current)
	require.Len(t, s.Versions, 1)
}

// TestRunIsTheProgram checks that only the program gets a signal to layer run.
// The program ends as it would without layer.
func TestRunIsTheProgram(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if ossignal.Ignored(signal) {
			// The parent of the tests ignores the signal, as nohup and a shell's & do, so
			// the program does too.
			continue
		}
		cmd := exec.CommandContext(t.Context(), program(t), "secret", "run", "--spec", "spec.json", "--", "sh", "-c",
			"echo ready; exec sleep 60")
		cmd.Dir, cmd.Env = dir, plainEnv()
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = out.Read(make([]byte, 6))
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(signal))
		_ = cmd.Wait()
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, ok && status.Signaled() && status.Signal() == signal, "%v", cmd.ProcessState)
	}
}

// nowhereInArguments checks the argument lists of all processes.
func nowhereInArguments(t *testing.T, value string) {
	t.Helper()
	lists, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		require.False(t, strings.Contains(string(text), value), "%s shows the value", list)
	}
}

// Apply and rotate are killed at any point, repeatedly. No value is lost, no
// secret has drifted, readers can still read every version, and no temporary
// file remains.
func TestKilledRunIsFinishedByTheNext(t *testing.T) {
	slow.Test(t)
	for _, target := range []string{"dir:secrets", "cloudflare"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			var env []string
			g := newGate(t)
			if target == "cloudflare" {
				env = g.env
			}
			dir := t.TempDir()
			declare(t, dir, rotating,
				`{"kind": "random", "namespace": "auth", "name": "token", "rotation": {"everyDays": 90, "retain": {"mode": "retain_forever"}}}`)
			layerIn(t, dir, env, 0, "secret", "init", "--to", target)
			values := map[string]string{} // address and id -> value; a value never changes
			kills := 0
			began := time.Now()
			layerIn(t, dir, env, 0, "secret", "status", "--spec", "spec.json")
			whole := time.Since(began)
			// The speed of a busy machine may have changed since whole was last measured:
			// then more runs are needed.
			runs := 0
			for ; runs < 25 || kills < 5 && runs < 100; runs++ {
				command := []string{"apply", "--spec", "spec.json"}
				if len(values) > 0 {
					command = []string{"rotate", "--immediate", "--spec", "spec.json"}
				}
				cmd, _, _ := start(t, dir, env, append([]string{"secret"}, command...)...)
				kill := time.AfterFunc(whole/4+rand.N(3*whole), func() { _ = cmd.Process.Kill() })
				_ = cmd.Wait()
				kill.Stop()
				if !cmd.ProcessState.Exited() {
					kills++
				}
				layerIn(t, dir, env, 0, "secret", "rotate", "--spec", "spec.json")
				began = time.Now()
				status := statusOf(t, dir, env)
				whole = time.Since(began)
				for address, s := range status {
					require.Equal(t, "ok", s.State, address)
					remember(t, values, address, s, stored(t, dir, g, s, target))
				}
			}
			t.Logf("%d of %d killed", kills, runs)
			require.Greater(t, kills, 4, "the runs are killed at all")
			// A change removes temporary files.
			layerIn(t, dir, env, 0, "secret", "rotate", "--immediate", "--spec", "spec.json")
			require.Empty(t, leftovers(t, dir))
		})
	}
}

// leftovers returns the temporary files that are not empty.
func leftovers(t *testing.T, dir string) (list []string) {
	t.Helper()
	for _, pattern := range []string{".*tmp*", "*/.*tmp*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		for _, file := range found {
			if info, err := os.Stat(file); err == nil && info.Size() > 0 {
				list = append(list, file)
			}
		}
	}
	return list
}

// stored returns the text that readers get.
func stored(t *testing.T, dir string, g *gate, s secretJSON, target string) string {
	t.Helper()
	if target == "cloudflare" {
		text, ok := g.Value(s.SecretName)
		require.True(t, ok)
		return text
	}
	addr, err := secret.ParseAddress(s.Address)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "secrets", addr.Binding()))
	require.NoError(t, err)
	return string(text)
}

// remember compares a document with its earlier states: every version is still
// present, with its value.
func remember(t *testing.T, values map[string]string, address string, s secretJSON, text string) {
	t.Helper()
	doc, err := secret.Parse(text)
	require.NoError(t, err)
	require.Equal(t, *s.Current, doc.Current().ID)
	n := 0
	for v := range doc.All() {
		key := address + " " + v.ID
		if old, ok := values[key]; ok {
			require.True(t, old == v.Text(), "%s has another value", key)
		}
		values[key] = v.Text()
		n++
	}
	known := 0
	for key := range values {
		if strings.HasPrefix(key, address+" ") {
			known++
		}
	}
	require.Equal(t, known, n, "versions of %s were lost", address)
}
