package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/rotate"
)

const otherKey = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// The log is a table that fits the terminal, with names in place of keys.
func TestLogOnATerminal(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
	layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--add", otherKey)
	for _, columns := range []int{200, 120, 100, 60, 40} {
		lines := tableText(atTerminal(t, dir, nil, columns, "secret", "log").ends(0))
		text := strings.Join(lines, "\n")
		require.Contains(t, text, "+"+otherKey[:16]+"…mcac8p", "%d columns", columns)
		require.Regexp(t, `20..-..-.. ..:..(:..)? .*create +\$SECRET.auth.session-key +v1`, text, "%d columns", columns)
		require.Contains(t, text, operatorName())
		if strings.HasPrefix(text, "time") {
			for _, line := range lines {
				require.LessOrEqual(t, len([]rune(line)), columns)
			}
		}
		if columns >= 120 {
			require.Equal(t, "time by change address of", strings.Join(strings.Fields(lines[0]), " "))
			require.Len(t, lines, 4)
		}
	}
	layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--add", otherKey+" ann@laptop")
	screen := atTerminal(t, dir, nil, 120, "secret", "log").ends(0)
	require.Contains(t, screen, "+ann@laptop")
	require.Contains(t, screen, "=ann@laptop")
	require.NotContains(t, screen, "age1ql3z")
	require.Contains(t, atTerminal(t, dir, nil, 120, "secret", "ledger", "recipients").ends(0), otherKey+"  ann@laptop")
	lines := tableText(atTerminal(t, dir, nil, 120, "secret", "log", "$SECRET.auth.session-key").ends(0))
	require.Len(t, lines, 2)
	screen = atTerminal(t, dir, nil, 80, "secret", "log", "--since", "2999-01-01").ends(0)
	require.Equal(t, "the log has no such entry\r\n", screen)

	// A machine that has not seen the ledger shows the name too.
	key, err := os.ReadFile(filepath.Join(dir, "layer.identity"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "layer.seen")))
	x := atTerminal(t, dir, []string{"LAYER_IDENTITY=" + identityKey.FindString(string(key))}, 120, "secret", "log")
	x.expect("recipient   " + otherKey + " ann@laptop")
	x.expect("[y/N] ")
	x.types("n\n")
	x.ends(1)
}

// The largest log, ten thousand entries, is printed at once.
func TestALongLogIsFast(t *testing.T) {
	var entries []rotate.LogEntry
	for i := range 10_000 {
		entries = append(entries, rotate.LogEntry{At: time.Now(), By: "ann@laptop", Op: rotate.OpFlip,
			Address: fmt.Sprintf("$SECRET.service.key-%d", i), IDs: []string{"v2"}})
	}
	var out strings.Builder
	l := &layer{process: with(nil), out: &screen{w: &out, terminal: true, width: 80}}
	began := time.Now()
	require.NoError(t, l.printLog(entries, nil))
	require.Less(t, time.Since(began), 2*time.Second)
	require.Equal(t, 10_001, strings.Count(out.String(), "\n"))
}
