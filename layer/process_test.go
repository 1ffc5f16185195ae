package main

import (
	"context"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// result is the exit status of a command and its output.
type result struct {
	status         int
	stdout, stderr string
}

// inProcess runs a command in this process.
func inProcess(ctx context.Context, dir string, lookup func(string) (string, bool), environ func() []string,
	args ...string) result {
	var stdout, stderr strings.Builder
	status := execute(ctx, args, process{in: strings.NewReader(""), stdout: &stdout, stderr: &stderr, dir: dir,
		lookup: lookup, environ: environ,
		exec: func(string, []string, []string) error {
			panic("a command that becomes a program needs a process of its own")
		}})
	// Packages that do not know of dir print longer names.
	short := strings.NewReplacer("directory "+dir+"/", "directory ", "identity "+dir+"/", "identity ")
	return result{status, short.Replace(stdout.String()), short.Replace(stderr.String())}
}

// needsProcess reports whether a command cannot run in this process: it
// replaces itself with a program, passes its environment on to one, or reads
// the standard input of a script, which testscript does not pass on.
func needsProcess(args []string) bool {
	return has(args, "run") || has(args, "--then") || has(args, "--from-stdin") || has(args, "-")
}

// variables parses an environment in the form of os/exec: the last value of a
// name counts.
func variables(list []string) map[string]string {
	vars := map[string]string{}
	for _, v := range list {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	return vars
}

// list returns the variables in the form of os/exec.
func list(vars map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, name+"="+vars[name])
	}
	return list
}

// runIn runs a command without standard input: in this process, and in a
// separate one if every test was asked for.
func runIn(t *testing.T, dir string, env []string, args ...string) result {
	t.Helper()
	if slow.All() || needsProcess(args) {
		cmd, stdout, stderr := start(t, dir, env, args...)
		_ = cmd.Wait()
		return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
	return runHere(t, dir, env, args...)
}

// runHere is runIn, always in this process.
func runHere(t *testing.T, dir string, env []string, args ...string) result {
	t.Helper()
	vars := variables(append(plainEnv(), env...))
	return inProcess(t.Context(), dir, with(vars).lookup, func() []string { return list(vars) }, args...)
}

// with returns a process with these variables only.
func with(vars map[string]string) process {
	return process{lookup: func(name string) (string, bool) { value, ok := vars[name]; return value, ok }}
}

// layerIn is runIn for a command with a known exit status.
func layerIn(t *testing.T, dir string, env []string, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	r := runIn(t, dir, env, args...)
	require.Equal(t, status, r.status, "layer %s: %s", strings.Join(args, " "), r.stderr)
	return r.stdout, r.stderr
}

// start starts layer with pipes, in a separate process.
func start(t *testing.T, dir string, env []string, args ...string) (cmd *exec.Cmd, stdout, stderr *strings.Builder) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), program(t), args...)
	cmd.Dir, cmd.Env = dir, append(plainEnv(), env...)
	stdout, stderr = new(strings.Builder), new(strings.Builder)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	require.NoError(t, cmd.Start())
	return cmd, stdout, stderr
}
