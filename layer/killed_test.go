package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/servers"
)

// TestServerVersityKilled and TestServerPostgresKilled kill rotate, and moves
// of a ledger in a circle, at any time, repeatedly. The next run succeeds, and
// no value is lost or changed.
func TestServerVersityKilled(t *testing.T) { killedElsewhere(t, versity(t)) }

func TestServerPostgresKilled(t *testing.T) { killedElsewhere(t, newPostgres(t)) }

func killedElsewhere(t *testing.T, e engine) {
	dir := t.TempDir()
	declare(t, dir, rotating)
	places := []string{e.place(), e.place(), "layer.secrets.age"}
	place := places[0]
	at := func() []string { return append(e.environment(), "LAYER_LEDGER="+place) }
	layerIn(t, dir, at(), 0, "secret", "init", "--to", "dir:secrets")
	layerIn(t, dir, at(), 0, "secret", "apply", "--spec", "spec.json")
	values := map[string]string{}
	ends := func() {
		t.Helper()
		layerIn(t, dir, at(), 0, "secret", "rotate", "--spec", "spec.json")
		s := statusIn(t, dir, at())["$SECRET.auth.session-key"]
		require.Equal(t, "ok", s.State)
		remember(t, values, s.Address, s, stored(t, dir, nil, s, "dir:secrets"))
	}
	// killed runs a command, kills it at a random point of its run time, and
	// reports whether the kill hit the command.
	killed := func(args ...string) bool {
		t.Helper()
		began := time.Now()
		layerIn(t, dir, at(), 0, "secret", "status", "--spec", "spec.json")
		whole := time.Since(began)
		cmd, _, _ := start(t, dir, at(), append([]string{"secret"}, args...)...)
		kill := time.AfterFunc(whole/4+rand.N(2*whole), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		return !cmd.ProcessState.Exited()
	}
	least, most := servers.Changes()/16, 60 // kills that hit; most runs to reach them
	for what, run := range map[string]func() bool{
		"rotate": func() bool {
			hit := killed("rotate", "--immediate", "--spec", "spec.json")
			ends()
			return hit
		},
		"move": func() bool {
			next := places[(slices.Index(places, place)+1)%len(places)]
			hit := killed("ledger", "copy", place, next)
			layerIn(t, dir, at(), 0, "secret", "ledger", "copy", place, next)
			_, stderr := layerIn(t, dir, at(), 1, "secret", "status", "--spec", "spec.json")
			require.Contains(t, stderr, "this ledger has moved to "+next)
			place = next
			ends()
			return hit
		},
	} {
		hits, runs := 0, 0
		for ; hits < least && runs < most; runs++ {
			if run() {
				hits++
			}
		}
		t.Logf("%s: %d of %d killed", what, hits, runs)
		require.Equal(t, least, hits, "%s: the runs are killed at all", what)
	}
	require.Empty(t, leftovers(t, dir))
}
