package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Several people work on one ledger in a bucket at the same time. Each has a
// folder and a memory of ledgers seen. TestServerVersityContest and
// TestServerPostgresContest use real servers.
func TestContestLosesNothing(t *testing.T) {
	slow.Test(t)
	contests(t, fakeS3(t, nil))
}

func TestServerVersityContest(t *testing.T) { contests(t, versity(t)) }

func TestServerPostgresContest(t *testing.T) { contests(t, newPostgres(t)) }

func contests(t *testing.T, e engine) {
	for name, test := range map[string]func(*testing.T, crowd){
		"init apart": initApart, "init together": initTogether, "rotate": rotateAtOnce, "set": setAtOnce,
		"recipients": recipientsAtOnce,
		"copy":       copyAtOnce, "copy while others work": copyUnderWay,
		"then": thenAtOnce,
	} {
		t.Run(name, func(t *testing.T) {
			account := newGate(t)
			test(t, crowd{t, e, e.place(), account, append(e.environment(), account.env...)})
		})
	}
}

// crowd is a group of operators who share one place and one account.
type crowd struct {
	t       *testing.T
	e       engine
	place   string
	account *gate
	env     []string
}

// at returns the variables that lead the operators to the place.
func (c crowd) at() []string { return append(slices.Clone(c.env), "LAYER_LEDGER="+c.place) }

// commands runs commands at the same time, each in its own folder.
func (c crowd) commands(n int, dir func(i int) string, args func(i int) []string) []result {
	c.t.Helper()
	results := make([]result, n)
	var cmds []*exec.Cmd
	var outs [][2]*strings.Builder
	for i := range n {
		cmd, stdout, stderr := start(c.t, dir(i), c.at(), append([]string{"secret"}, args(i)...)...)
		cmds, outs = append(cmds, cmd), append(outs, [2]*strings.Builder{stdout, stderr})
	}
	for i, cmd := range cmds {
		_ = cmd.Wait()
		results[i] = result{cmd.ProcessState.ExitCode(), outs[i][0].String(), outs[i][1].String()}
		require.Empty(c.t, readable(results[i].stderr))
	}
	return results
}

func (c crowd) layer(dir string, status int, args ...string) string {
	c.t.Helper()
	stdout, _ := layerIn(c.t, dir, c.at(), status, append([]string{"secret"}, args...)...)
	return stdout
}

// people makes a folder for each operator. The folder contains the identity in
// a file, if one is named.
func (c crowd) people(n int, identity string) (dirs []string) {
	c.t.Helper()
	for range n {
		dir := c.t.TempDir()
		declare(c.t, dir, rotating, stripe)
		if identity != "" {
			copyFile(c.t, identity, dir+"/layer.identity")
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// begin makes the ledger in a folder, and returns that folder and those of n
// others.
func (c crowd) begin(n int) (first string, others []string) {
	c.t.Helper()
	first = c.people(1, "")[0]
	c.layer(first, 0, "init", "--to", "cloudflare", "--window", "1s", "--margin", "1s")
	return first, c.people(n, first+"/layer.identity")
}

func (c crowd) state(dir string) rotate.State {
	c.t.Helper()
	ids, err := ledger.ReadIdentities(dir + "/layer.identity")
	require.NoError(c.t, err)
	l, err := c.e.open(c.place, ids)
	require.NoError(c.t, err)
	s, _, err := l.Load(c.t.Context())
	require.NoError(c.t, err)
	return s
}

// initApart runs init with separate identities. One operator makes the ledger.
// The others make no identity that opens it.
func initApart(t *testing.T, c crowd) {
	dirs := c.people(6, "")
	winner := ""
	for i, r := range c.commands(len(dirs), func(i int) string { return dirs[i] },
		func(int) []string { return []string{"init", "--to", "cloudflare"} }) {
		if r.status == 0 {
			require.Empty(t, winner, "one makes it")
			winner = dirs[i]
			continue
		}
		require.Equal(t, 1, r.status)
		require.Regexp(t, "changed by another run|no identity to open it with|encrypted to others", r.stderr)
	}
	require.NotEmpty(t, winner)
	require.Equal(t, uint64(1), c.state(winner).Generation())
	c.layer(winner, 1, "apply", "--spec", "spec.json")
	for _, dir := range dirs {
		if dir != winner {
			c.layer(dir, 1, "status", "--spec", "spec.json")
		}
	}
}

// initTogether runs init in one folder, with one identity.
func initTogether(t *testing.T, c crowd) {
	dir := c.people(1, "")[0]
	made := 0
	for _, r := range c.commands(6, func(int) string { return dir },
		func(int) []string { return []string{"init", "--to", "cloudflare"} }) {
		if r.status == 0 {
			made++
		} else {
			require.Equal(t, 1, r.status)
		}
	}
	require.Equal(t, 1, made)
	require.Equal(t, uint64(1), c.state(dir).Generation())
	c.layer(dir, 1, "apply", "--spec", "spec.json")
}

// rotateAtOnce rotates the same secrets several times at once, partly from one
// folder. Each run succeeds, or reports the interference of others. No id has
// two values, and in the end no work remains.
func rotateAtOnce(t *testing.T, c crowd) {
	first, others := c.begin(3)
	c.layer(first, 1, "apply", "--spec", "spec.json")
	dirs := append(others, first, first)
	values := map[string]string{}
	made := func() (n int) {
		for _, e := range c.state(first).Log() {
			if e.Op == rotate.OpFlip {
				n++
			}
		}
		return n
	}
	for range 2 {
		before, claimed, own := made(), 0, 0
		for _, r := range c.commands(30, func(i int) string { return dirs[i%len(dirs)] }, func(int) []string {
			return []string{"rotate", "--immediate", "$SECRET.auth.session-key", "--spec", "spec.json"}
		}) {
			if r.status == 0 {
				claimed++
				if strings.Contains(r.stdout, "is now current") {
					own++
				} else { // a version of another run, made after this run had loaded the ledger
					require.Regexp(t, `as (an earlier run|.*@.*) had recorded: v\d+`, r.stdout)
				}
				continue
			}
			require.Equal(t, 1, r.status, r.stderr)
			require.Regexp(t, "made no version of its own|run (it )?again|the next run sends it again", r.stderr)
		}
		require.NotZero(t, claimed)
		require.LessOrEqual(t, own, made()-before, "each that a run calls its own was made")
		c.layer(first, 1, "rotate", "--spec", "spec.json")
		s := c.status(first)["$SECRET.auth.session-key"]
		require.Equal(t, "ok", s.State)
		remember(t, values, s.Address, s, c.published(s))
	}
	require.GreaterOrEqual(t, len(values), 3, "each round has made one at least")
	log := c.state(first).Log()
	seen := map[string]int{}
	for _, e := range log {
		if e.Op == "create" || e.Op == "flip" {
			seen[strings.Join(e.IDs, " ")]++
		}
	}
	for id, n := range seen {
		require.Equal(t, 1, n, id)
	}
}

// setAtOnce sets a value in each run. The last one is current, and every value
// is in the history, also that of a run whose text a late request of another run
// has replaced in the target.
func setAtOnce(t *testing.T, c crowd) {
	first, others := c.begin(4)
	value := func(i int) string { return fmt.Sprintf("madeup_value_of_person_%d", i) }
	var all sync.WaitGroup
	var confirmed atomic.Int64
	for i, dir := range others {
		all.Go(func() {
			cmd := exec.CommandContext(t.Context(), program(t), "secret", "set", "$SECRET.billing.stripe-secret", "--spec",
				"spec.json", "--value-env", "MINE")
			cmd.Dir, cmd.Env = dir, append(append(plainEnv(), c.at()...), "MINE="+value(i))
			out, err := cmd.CombinedOutput()
			if err == nil {
				confirmed.Add(1)
			} else if !strings.Contains(string(out),
				"The text is recorded in the ledger, and the next run sends it again") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	require.NotZero(t, confirmed.Load(), "at least the last one finds its own text in the target")
	c.layer(first, 0, "apply", "--spec", "spec.json")
	sets := 0
	for _, e := range c.state(first).Log() {
		if e.Address == "$SECRET.billing.stripe-secret" && (e.Op == "create" || e.Op == "set") {
			sets++
		}
	}
	require.Equal(t, len(others), sets)
	require.Equal(t, fmt.Sprintf("v%d", len(others)), *c.status(first)["$SECRET.billing.stripe-secret"].Current)
}

// recipientsAtOnce adds and removes a recipient in each run while others
// rotate. All changes are applied.
func recipientsAtOnce(t *testing.T, c crowd) {
	first, others := c.begin(4)
	c.layer(first, 1, "apply", "--spec", "spec.json")
	var keys []string
	for range others {
		id, err := age.GenerateX25519Identity()
		require.NoError(t, err)
		keys = append(keys, id.Recipient().String())
	}
	dirs := append(slices.Clone(others), first)
	run := func(what string) {
		for _, r := range c.commands(len(dirs), func(i int) string { return dirs[i] }, func(i int) []string {
			if i == len(others) {
				return []string{"rotate", "--immediate", "$SECRET.auth.session-key", "--spec", "spec.json"}
			}
			return []string{"ledger", "recipients", what, keys[i]}
		}) {
			require.Zero(t, r.status, r.stderr)
		}
	}
	run("--add")
	set := c.state(first).Settings()
	require.Len(t, set.Recipients, 1+len(keys))
	for _, key := range keys {
		require.Contains(t, set.Recipients, key)
	}
	run("--remove")
	require.Len(t, c.state(first).Settings().Recipients, 1)
	c.layer(first, 1, "rotate", "--spec", "spec.json")
	require.Equal(t, "ok", c.status(first)["$SECRET.auth.session-key"].State)
}

// copyAtOnce moves the ledger several times to the same place, and once to
// another. It moves to one of the two.
func copyAtOnce(t *testing.T, c crowd) {
	first, others := c.begin(3)
	c.layer(first, 1, "apply", "--spec", "spec.json")
	places := []string{c.e.place(), c.e.place()}
	to := func(i int) string { return places[i/(len(others)-1)] }
	moved := map[string]int{}
	for i, r := range c.commands(len(others), func(i int) string { return others[i] },
		func(i int) []string { return []string{"ledger", "copy", c.place, to(i)} }) {
		if r.status == 0 {
			moved[to(i)]++
			continue
		}
		require.Equal(t, 1, r.status)
		require.Regexp(t, "has moved to .*: move that one|no move put it there", r.stderr)
	}
	require.Len(t, moved, 1)
	at := c.state(first).Moved()
	require.Contains(t, moved, at)
	c.place = at
	require.Empty(t, c.state(first).Moved())
	require.Equal(t, "ok", c.status(first)["$SECRET.auth.session-key"].State)
}

// copyUnderWay moves the ledger while others use it. Each other run is faster,
// or fails. All their acknowledged changes are in the new place.
func copyUnderWay(t *testing.T, c crowd) {
	first, others := c.begin(4)
	c.layer(first, 1, "apply", "--spec", "spec.json")
	next := c.e.place()
	dirs := append(slices.Clone(others), first)
	made := 0
	results := c.commands(len(dirs), func(i int) string { return dirs[i] }, func(i int) []string {
		if i == len(others) {
			return []string{"ledger", "copy", c.place, next}
		}
		return []string{"ledger", "recipients", "--add", publicKey(i)}
	})
	for i, r := range results {
		switch {
		case i == len(others):
			require.Zero(t, r.status, r.stderr)
		case r.status == 0:
			made++
		default:
			require.Equal(t, 1, r.status)
			require.Contains(t, r.stderr, "this ledger has moved to "+next)
		}
	}
	require.Equal(t, next, c.state(first).Moved())
	c.place = next
	set := c.state(first).Settings()
	require.Len(t, set.Recipients, 1+made)
	require.Equal(t, "ok", c.status(first)["$SECRET.auth.session-key"].State)
}

// publicKey returns one of several public keys whose private key does not
// exist.
func publicKey(i int) string {
	return []string{"age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
		"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
		"age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg",
		"age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa"}[i]
}

// status returns the status that every operator sees, by address. The value of
// a static secret is missing in tests that are about something else.
func (c crowd) status(dir string) map[string]secretJSON {
	c.t.Helper()
	return statusIn(c.t, dir, c.at())
}

// published returns the text that readers get.
func (c crowd) published(s secretJSON) string {
	c.t.Helper()
	text, ok := c.account.Value(s.SecretName)
	require.True(c.t, ok)
	return text
}

func statusIn(t *testing.T, dir string, env []string) map[string]secretJSON {
	t.Helper()
	// The command fails if a value is missing.
	got := runIn(t, dir, env, "secret", "status", "--spec", "spec.json", "--json")
	var r reportJSON
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &r), got.stdout)
	list := map[string]secretJSON{}
	for _, s := range r.Secrets {
		list[s.Address] = s
	}
	return list
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, text, 0o600))
}
