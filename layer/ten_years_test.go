package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/rotate"
)

// aged rewrites the ledger in a folder as an earlier layer left it after that
// many rotations of every secret: with every version that ever was, and a log of
// ten thousand entries.
func aged(t *testing.T, dir string, rotations int) {
	t.Helper()
	path := filepath.Join(dir, "layer.secrets.age")
	text, err := os.ReadFile(filepath.Join(dir, "layer.identity"))
	require.NoError(t, err)
	id, err := age.ParseX25519Identity(identityKey.FindString(string(text)))
	require.NoError(t, err)
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	plain, err := age.Decrypt(armor.NewReader(file), id)
	require.NoError(t, err)
	var state map[string]any
	require.NoError(t, json.NewDecoder(plain).Decode(&state))

	var gone []any
	for i := range rotations {
		from := time.Date(2016, 1, 1, 9, 0, 0, 0, time.UTC).AddDate(0, 0, 7*i)
		gone = append(gone, map[string]any{"id": fmt.Sprint("v", i+2), "gone": "pruned", "activeFrom": from,
			"expiresAt": from.AddDate(0, 0, 9), "base": from.AddDate(0, 0, 9)})
	}
	log := state["log"].([]any)
	for len(log) < 10_000 {
		log = append(log, log[1+len(log)%(len(log)-1)])
	}
	state["log"] = log
	for _, r := range state["secrets"].([]any) {
		r := r.(map[string]any)
		r["versions"], r["highest"] = append(slices.Clone(gone), r["versions"].([]any)...), rotations+1
	}
	var sealed bytes.Buffer
	a := armor.NewWriter(&sealed)
	w, err := age.Encrypt(a, id.Recipient())
	require.NoError(t, err)
	require.NoError(t, json.NewEncoder(w).Encode(state))
	require.NoError(t, w.Close())
	require.NoError(t, a.Close())
	require.NoError(t, os.WriteFile(path, sealed.Bytes(), 0o600))
}

func sizeOf(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, "layer.secrets.age"))
	require.NoError(t, err)
	return info.Size()
}

// A ledger that an earlier layer let grow shrinks at the first change, and then
// every command is about as fast as on a new ledger. The long form fills the
// ledger to its limit, so that the earlier layer could change nothing any more.
func TestALedgerOfManyYearsIsAsFastAsANewOne(t *testing.T) {
	slow.Timed(t)
	n, rotations := 20, 100
	if slow.All() {
		n, rotations = 1000, 360
	}
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"kind": "random", "namespace": "speed", "name": "key-%d", "rotation": {"everyDays": 7}}`, i))
	}
	fresh, old := folder(t, list...), t.TempDir()
	layerIn(t, fresh, nil, 0, "secret", "apply", "--spec", "spec.json")
	require.NoError(t, os.CopyFS(old, os.DirFS(fresh)))
	for _, private := range []string{"layer.identity", "layer.secrets.age"} {
		require.NoError(t, os.Chmod(filepath.Join(old, private), 0o600))
	}
	aged(t, old, rotations)
	before := sizeOf(t, old)
	if slow.All() {
		require.Greater(t, before, int64(rotate.MaxSealed)*95/100)
		require.Less(t, before, int64(rotate.MaxSealed))
	}
	layerIn(t, old, nil, 0, "secret", "status", "--spec", "spec.json")
	require.Equal(t, before, sizeOf(t, old), "reading changes nothing")
	stdout, _ := layerIn(t, old, nil, 0, "secret", "rotate", "--immediate", "--spec", "spec.json", "speed.key-0")
	require.Contains(t, stdout, fmt.Sprint("v", rotations+2), "no id is used again")
	t.Logf("%d bytes, then %d; a new ledger has %d", before, sizeOf(t, old), sizeOf(t, fresh))
	require.Less(t, sizeOf(t, old), before)
	require.Less(t, sizeOf(t, old), int64(4<<20))
	if !slow.All() {
		return // the commands run in this process: no time is measured
	}

	commands := map[string][]string{
		"status":   {"secret", "status", "--spec", "spec.json"},
		"rotate":   {"secret", "rotate", "--spec", "spec.json"},
		"log":      {"secret", "log"},
		"timeline": {"secret", "timeline", "--spec", "spec.json"},
	}
	cost := func(dir string, args []string) time.Duration {
		cmd, _, stderr := start(t, dir, nil, args...)
		require.NoError(t, cmd.Wait(), "%s", stderr)
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		best := [2]time.Duration{time.Hour, time.Hour}
		for range 5 { // alternating, so that both see the same machine
			for i, dir := range []string{fresh, old} {
				best[i] = min(best[i], cost(dir, commands[name]))
			}
		}
		t.Logf("%s: %v of CPU on a new ledger, %v on one of %d rotations", name, best[0], best[1], rotations)
		require.Less(t, best[1], 2*best[0], name)
	}
}
