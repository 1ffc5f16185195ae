package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/internal/atomicfile"
)

// With these variables a command ends itself, or sends itself the signal of
// Ctrl-C, after that many steps on files. It makes the file in sentVar when it
// has sent itself the signal of Ctrl-C.
const killVar, interruptVar, sentVar = "LAYER_TEST_KILL_AT", "LAYER_TEST_INTERRUPT_AT", "LAYER_TEST_INTERRUPT_SENT"

// mainOrEnded is main. With killVar or interruptVar the signal comes before a
// step: while a ledger, a value, a note or layer.seen is created, written,
// synced, closed or renamed, or while their folder is synced.
func mainOrEnded() {
	var steps atomic.Int64
	if at, err := strconv.ParseInt(os.Getenv(killVar), 10, 64); err == nil {
		atomicfile.EveryStep = func() {
			if steps.Add(1) > at {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	if at, err := strconv.ParseInt(os.Getenv(interruptVar), 10, 64); err == nil {
		arrived := make(chan os.Signal, 1)
		signal.Notify(arrived, os.Interrupt)
		atomicfile.EveryStep = func() {
			if steps.Add(1) == at+1 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
				<-arrived
				_ = os.WriteFile(os.Getenv(sentVar), nil, 0o600)
			}
		}
	}
	main()
}

// interrupted runs a command in a copy of a folder, and sends it the signal of
// Ctrl-C before a step. done reports that the command has fewer steps, or that
// none of its runs noticed the signal before its end.
func interrupted(t *testing.T, from string, at int, args ...string) (dir, stdout, stderr string, done bool) {
	t.Helper()
	for range 20 {
		dir, sent := copied(t, from), filepath.Join(t.TempDir(), "sent")
		cmd, out, errs := start(t, dir, []string{fmt.Sprint(interruptVar, "=", at), sentVar + "=" + sent}, args...)
		_ = cmd.Wait()
		_, err := os.Stat(sent)
		if status := cmd.ProcessState.ExitCode(); status != 0 || err != nil {
			require.Contains(t, []int{0, 130}, status, errs)
			return dir, out.String(), errs.String(), status == 0
		}
	}
	return "", "", "", true
}

// A command of several secrets is killed before each step on a file, in the
// ledger and in the target. Readers find whole values at any time, and the next
// run finishes the work: every secret is confirmed, no version gets another
// value, and no id is used twice.
func TestKilledBeforeAnyStepOfABatch(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 2 {
		list = append(list, fmt.Sprintf(`{"kind": "random", "namespace": "many", "name": "key-%d", `+
			`"rotation": {"everyDays": 7, "retain": {"mode": "none"}}}`, i))
	}
	next := []string{"secret", "rotate", "--spec", "spec.json"}
	now := append(next, "--now")
	empty := t.TempDir()
	declare(t, empty, list...)
	layerIn(t, empty, nil, 0, "secret", "init", "--to", "dir:secrets", "--window", "1s", "--margin", "1ms")
	created := copied(t, empty)
	layerIn(t, created, nil, 0, "secret", "apply", "--spec", "spec.json")
	announced := copied(t, created)
	layerIn(t, announced, nil, 0, now...)
	flipped := later(t, announced, func(s secretJSON) bool { return *s.Current == "v2" })
	later(t, flipped, func(s secretJSON) bool { return len(s.Versions) == 1 })
	for name, c := range map[string]struct {
		from  string // the folder before the command
		args  []string
		steps int // at least, before which it is killed
	}{
		"apply":  {empty, []string{"secret", "apply", "--spec", "spec.json"}, 30},
		"rotate": {created, now, 30},
		"flip":   {announced, next, 30},
		"prune":  {flipped, next, 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stride := 1
			if !slow.All() {
				stride, c.steps = 13, 2
			}
			kills := 0
			for at := 0; ; at += stride {
				dir := copied(t, c.from)
				values := valuesIn(t, dir, nil)
				cmd, stdout, stderr := start(t, dir, []string{fmt.Sprint(killVar, "=", at)}, c.args...)
				_ = cmd.Wait()
				if cmd.ProcessState.Exited() {
					require.Zero(t, cmd.ProcessState.ExitCode(), stderr)
					break
				}
				kills++
				require.Empty(t, stdout.String(), "a killed run claims nothing")
				values = valuesIn(t, dir, values)
				mustHere(t, dir, c.args[1], "--spec", "spec.json")
				values = valuesIn(t, dir, values)
				for address, s := range statusOf(t, dir, nil) {
					require.Contains(t, []string{"ok", "pending"}, s.State, "%s, killed before step %d", address, at)
				}
				require.Empty(t, leftovers(t, dir), "killed before step %d", at)
				mustHere(t, dir, now[1:]...)
				valuesIn(t, dir, values)
			}
			t.Logf("%d kills", kills)
			require.GreaterOrEqual(t, kills, c.steps)
		})
	}
}

// Ctrl-C comes before each step on a file. The report has every change that the
// target has confirmed, and no other, as text and as JSON. The next run finishes
// the rest.
func TestInterruptedBeforeAnyStepOfABatch(t *testing.T) {
	t.Parallel()
	const n = 3
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"kind": "random", "namespace": "many", "name": "key-%d"}`, i))
	}
	from := t.TempDir()
	declare(t, from, list...)
	layerIn(t, from, nil, 0, "secret", "init", "--to", "dir:secrets")
	for _, asJSON := range []bool{false, true} {
		t.Run(fmt.Sprint("JSON ", asJSON), func(t *testing.T) {
			t.Parallel()
			stride := 1
			if !slow.All() {
				stride = 4
			}
			seen := map[string]int{}
			for at := 0; ; at += stride {
				args := []string{"secret", "apply", "--spec", "spec.json"}
				if asJSON {
					args = append(args, "--json")
				}
				dir, stdout, text, done := interrupted(t, from, at, args...)
				if done {
					break
				}
				actions, unconfirmed := strings.Count(stdout, ": created v1\n"), n
				if asJSON {
					var r reportJSON
					require.NoError(t, json.Unmarshal([]byte(stdout), &r))
					require.False(t, r.OK)
					actions, unconfirmed, text = len(r.Actions), len(r.Unconfirmed), r.Error
				}
				values := valuesIn(t, dir, nil)
				switch {
				case strings.Contains(text, "3 secrets are recorded in the ledger and not confirmed"):
					require.Zero(t, actions, "before step %d", at)
					require.Equal(t, n, unconfirmed, "before step %d", at)
					seen["recorded"]++
				case len(values) == n:
					require.Contains(t, text, "nothing is left half done")
					require.Equal(t, n, actions, "before step %d", at)
					seen["confirmed"]++
				default:
					require.Empty(t, values)
					require.Zero(t, actions, "before step %d", at)
					seen["nothing"]++
				}
				mustHere(t, dir, args[1:]...)
				require.Len(t, valuesIn(t, dir, values), n)
				require.Empty(t, leftovers(t, dir), "before step %d", at)
			}
			t.Log(seen)
			require.Positive(t, seen["recorded"])
			require.Positive(t, seen["confirmed"])
		})
	}
}

// later rotates copies of a folder until that has the effect on every secret,
// and returns the last copy. The next run in the folder has the same effect.
func later(t *testing.T, dir string, effect func(secretJSON) bool) string {
	t.Helper()
	for began := time.Now(); time.Since(began) < time.Minute; {
		next := copied(t, dir)
		layerIn(t, next, nil, 0, "secret", "rotate", "--spec", "spec.json")
		all := true
		for _, s := range statusOf(t, next, nil) {
			all = all && effect(s)
		}
		if all {
			return next
		}
	}
	require.Fail(t, "the time never came")
	return ""
}

// copied returns a copy of a folder.
func copied(t *testing.T, dir string) string {
	t.Helper()
	return copiedTo(t, dir, t.TempDir())
}

func copiedTo(t *testing.T, dir, to string) string {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	for _, private := range []string{"layer.identity", "layer.secrets.age"} {
		require.NoError(t, os.Chmod(filepath.Join(to, private), 0o600))
	}
	return to
}

// valuesIn returns the values of the versions in a target, by file and id, and
// those of before. It requires that none has another value than before.
func valuesIn(t *testing.T, dir string, before map[string]string) map[string]string {
	t.Helper()
	values := maps.Clone(before)
	if values == nil {
		values = map[string]string{}
	}
	files, err := filepath.Glob(filepath.Join(dir, "secrets", "LAYERON_*"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		doc, err := secret.Parse(strings.TrimSuffix(string(text), "\n"))
		require.NoError(t, err)
		for v := range doc.All() {
			key := filepath.Base(file) + " " + v.ID
			old, ok := before[key]
			require.True(t, !ok || old == v.Text(), "%s has another value", key)
			values[key] = v.Text()
		}
	}
	return values
}
