package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/servers"
	"github.com/layeron-hq/secret/layer/internal/busypool"
)

// passwordForm finds a password that postgres/role makes.
var passwordForm = regexp.MustCompile(`[A-Za-z0-9_-]{43}`)

// strike is how a command is interrupted at a step.
type strike struct {
	name  string
	fault servers.Fault // at a message to the server
	kill  bool
	file  bool // the steps are those on files, in ledger and target
}

var strikes = []strike{
	{name: "killed before a message", fault: servers.Cut, kill: true},
	{name: "killed after the answer to a message", fault: servers.Lost, kill: true},
	{name: "killed before a step on a file", kill: true, file: true},
	{name: "the answer is lost", fault: servers.Lost},
	{name: "the server refuses", fault: servers.Refused},
	{name: "the server is down for a while", fault: servers.Down},
}

// layer is killed before each message to the server, after the server's answer to
// each, and before each step on a file, or the message fails. The passwords in the
// document work all the time. The next run finishes the work and leaves nothing
// behind, and a service with a busy pool loses no query.
func TestServerDatabaseKilledAtEachStep(t *testing.T) {
	t.Parallel()
	w := newDatabase(t)
	empty := w.stage(inMemory(t))
	spec, err := json.Marshal(w.app(empty.dir).Spec())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(empty.dir, "spec.json"), spec, 0o600))
	w.layer(empty.dir, "init", "--to", "dir:secrets", "--window", "1s", "--margin", "1ms")
	current := func(id string) func(secretJSON) bool {
		return func(s secretJSON) bool { return *s.Current == id }
	}
	announces := func(s secretJSON) bool { return s.Pending != nil && *s.Pending == "v2" }
	ends := func(s secretJSON) bool { return len(s.Versions) == 1 && *s.Current == "v2" }
	created := w.next(empty, current("v1"), "apply")
	announced := w.next(created, announces, "rotate", "--now")
	flipped := w.next(announced, current("v2"), "rotate")
	w.next(flipped, ends, "rotate")
	for _, c := range []databaseStep{
		{"apply", empty, []string{"apply"}, current("v1"), 20, false, strikes[:5]},
		{"announce", created, []string{"rotate", "--now"}, announces, 20, true, strikes},
		{"flip", announced, []string{"rotate"}, current("v2"), 0, true, strikes[2:3]}, // it sends no message
		{"end", flipped, []string{"rotate"}, ends, 8, true, strikes},
		// The old password ends at once, so a service may still use it.
		{"revoke", created, []string{"revoke", "shop.database", "v1"}, ends, 28, false, strikes[:2]},
	} {
		for _, s := range c.strikes {
			t.Run(c.name+", "+s.name, func(t *testing.T) {
				w.T = t
				times := 0
				for w.struck(c, s, times+1) {
					times++
				}
				t.Logf("%d times", times)
				if s.file {
					require.Greater(t, times, 30)
				} else {
					require.GreaterOrEqual(t, times, c.messages)
				}
			})
		}
	}
}

// databaseStep is a command of a rotation.
type databaseStep struct {
	name     string
	from     databaseStage
	args     []string
	done     func(secretJSON) bool
	messages int  // to the server, at least
	busy     bool // a service uses the database
	strikes  []strike
}

// struck interrupts a command at a step, counted from 1, and runs it again. It
// returns false if the command has fewer steps.
func (w databaseTest) struck(c databaseStep, s strike, at int) bool {
	w.Helper()
	dir := w.restored(c.from)
	var service *busypool.Service
	if c.busy {
		app := w.app(dir)
		require.NoError(w, app.Start(w.Context()))
		defer app.Close()
		service = busypool.Start(w, w.database, "INSERT INTO orders VALUES (1)", w.direct)
		defer service.Stop()
	}
	env := w.env()
	begun, ended := make(chan *os.Process, 1), make(chan struct{})
	switch {
	case s.file:
		env = append(env, fmt.Sprint(killVar, "=", at-1))
	case s.kill:
		w.proxy.Stop(at, s.fault, func() {
			_ = (<-begun).Kill()
			<-ended
		})
	default:
		w.proxy.Stop(at, s.fault, nil)
	}
	cmd, stdout, stderr := start(w.T, dir, env, withSpec(c.args)...)
	begun <- cmd.Process
	_ = cmd.Wait()
	close(ended)
	hit := w.proxy.Seen() >= at
	if s.file {
		hit = !cmd.ProcessState.Exited()
	}
	w.proxy.Stop(0, 0, nil)
	if !hit {
		require.Zero(w, cmd.ProcessState.ExitCode(), stderr)
		return false
	}
	require.Equal(w, s.kill, !cmd.ProcessState.Exited(), "step %d", at)
	if s.kill {
		require.Empty(w, stdout.String(), "a killed run claims nothing")
	}
	w.logins(dir, at)
	values := valuesIn(w.T, dir, nil)
	w.layer(dir, c.args...)
	w.logins(dir, at)
	valuesIn(w.T, dir, values)
	require.False(w, passwordForm.MatchString(stdout.String()+stderr.String()), "a password is shown")
	status := w.status(dir)
	require.True(w, c.done(status), "step %d", at)
	require.Contains(w, []string{"ok", "pending"}, status.State)
	w.clean(dir, at)
	if service != nil {
		before := service.Queries.Load()
		require.Eventually(w, func() bool { return service.Queries.Load() > before || w.Failed() }, 10*time.Second,
			time.Millisecond)
		service.Stop()
		require.Zero(w, service.Failed.Load(), "step %d", at)
	}
	return true
}

// withSpec returns the arguments of a command for the folder's spec.
func withSpec(args []string) []string {
	return append([]string{"secret", args[0], "--spec", "spec.json"}, args[1:]...)
}
