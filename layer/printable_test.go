package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/file"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/timeline"
)

// hostile is a name that erases the screen, forges a line, hides the remaining
// text, reverses its direction, and is not UTF-8.
const hostile = "mallory\x1b[2J\x1b]0;title\a\nlayer: " +
	"forged\r\t\x00\x7f\u0085\u009b31m\u202e\u2066\u200b\u2028\ufeff\u00ad\u3164\U000e0041\xffend"

// requireHarmless checks that an output contains no control sequence for a
// terminal.
func requireHarmless(t *testing.T, output string) {
	t.Helper()
	require.True(t, utf8.ValidString(output), "%q", output)
	for _, r := range output {
		require.True(t, r == '\n' || r == '\t' || unicode.IsPrint(r) && !strings.ContainsRune(blank, r), "%q in %q", r,
			output)
	}
	for line := range strings.Lines(output) {
		require.False(t, strings.HasPrefix(line, "layer: forged"), "%q", output)
	}
}

func TestHiddenCharactersAreEscaped(t *testing.T) {
	slow.Sequential(t)
	require.Equal(t,
		`mallory\x1b[2J\x1b]0;title\x07\nlayer: forged\r\t\x00\x7f\u0085\u009b31m\u202e\u2066\u200b\u2028\ufeff\u00ad\u3164\U000e0041\xffend`,
		printable(hostile))
	for _, text := range []string{"", "anna@büro-1", "шарик", "名前", `C:\x`, "a → b …", "é", "שלום", "🦊", "'\"<&>"} {
		require.Equal(t, text, printable(text))
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if text := printable("a" + string(r) + "b"); text != "a"+string(r)+"b" {
			require.Equal(t, printable(text), text)
			require.True(t, strings.HasPrefix(text, `a\`))
		} else {
			require.False(t, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp), "%U", r)
		}
	}
}

func TestJSONIsHarmlessAndMeansTheSame(t *testing.T) {
	given := map[string]string{"value": strings.ToValidUTF8(hostile, ""), "plain": "a < b & \"c\" → d\n"}
	for _, indent := range []string{"", "  "} {
		var b strings.Builder
		require.NoError(t, writeJSON(&b, given, indent))
		requireHarmless(t, b.String())
		var got map[string]string
		require.NoError(t, json.Unmarshal([]byte(b.String()), &got))
		require.Equal(t, given, got)
	}
	var b strings.Builder
	require.NoError(t, writeJSON(&b, given["plain"], ""))
	require.Equal(t, `"a < b & \"c\" → d\n"`+"\n", b.String())
}

// inLedger is the part of hostile that a ledger accepts.
var inLedger = strings.ToValidUTF8(hostile, "")

// forged returns a folder whose ledger has hostile names in every place for a
// name.
func forged(t *testing.T, change func(rotate.Settings) rotate.Settings, moved bool) string {
	t.Helper()
	dir := folder(t, rotating)
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
	ids, err := ledger.ReadIdentities(filepath.Join(dir, "layer.identity"))
	require.NoError(t, err)
	l, err := file.Open(filepath.Join(dir, "layer.secrets.age"), file.Options{Identities: ids})
	require.NoError(t, err)
	state, rev, err := l.Load(t.Context())
	require.NoError(t, err)
	next := state.WithSettings(change(state.Settings()))
	next = next.WithLog(rotate.LogEntry{At: time.Now(), By: inLedger, Op: rotate.Op(inLedger), Address: inLedger,
		IDs: []string{"v1", inLedger}})
	_, _, err = rotate.Commit(t.Context(), l, rev, next)
	require.NoError(t, err)
	if moved {
		to, err := file.Open(filepath.Join(t.TempDir(), "to.age"), file.Options{Identities: ids})
		require.NoError(t, err)
		_, err = rotate.Move(t.Context(), l, to, rotate.MoveOptions{From: "here", To: inLedger, Target: "dir:x",
			By: inLedger})
		require.NoError(t, err)
	}
	return dir
}

// TestNothingOfALedgerControlsATerminal covers names, places, operators and
// versions.
func TestNothingOfALedgerControlsATerminal(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(rotate.Settings) rotate.Settings{
		"names":    func(s rotate.Settings) rotate.Settings { return s },
		"a target": func(s rotate.Settings) rotate.Settings { s.Target = inLedger; return s },
		"a folder": func(s rotate.Settings) rotate.Settings {
			s.Target = "dir:" + strings.ReplaceAll(inLedger, "\x00", "")
			return s
		},
		"a host": func(s rotate.Settings) rotate.Settings { s.Target = "etcd://" + inLedger; return s },
		"a workspace": func(s rotate.Settings) rotate.Settings {
			s.Workspace, s.Project, s.Environment = inLedger, inLedger, inLedger
			return s
		},
		"a recipient": func(s rotate.Settings) rotate.Settings {
			s.Names = map[string]string{s.Recipients[0]: inLedger}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := forged(t, change, false)
			for _, args := range [][]string{{"log"}, {"log", "--json"}, {"target"}, {"target", "--json"}, {"status"},
				{"status", "--json"}, {"plan"}, {"rotate"},
				{"timeline"}, {"ledger", "recipients"}, {"target", "dir:./other"}, {"status", "--to", "dir:./other"},
				{"target", "--remove", "dir:./x", "--yes"},
				{"ledger", "copy", "layer.secrets.age", "moved.age"}, {"log"}, {"status"}} {
				r := runHere(t, dir, nil, append([]string{"secret", "--spec", "spec.json"}, args...)...)
				requireHarmless(t, r.stdout)
				requireHarmless(t, r.stderr)
				if args[0] == "log" && len(args) == 1 && r.status == 0 {
					require.Contains(t, r.stdout, "\t"+printable(inLedger)+"\t")
					require.Equal(t, 4, strings.Count(slices.Collect(strings.Lines(r.stdout))[2], "\t"), r.stdout)
				}
			}
			r := runHere(t, dir, nil, "__complete", "secret", "revoke", inLedger, "")
			requireHarmless(t, r.stdout)
		})
	}
	t.Run("the place it moved to", func(t *testing.T) {
		t.Parallel()
		dir := forged(t, func(s rotate.Settings) rotate.Settings { return s }, true)
		for _, args := range [][]string{{"status"}, {"status", "--json"}, {"log"}, {"run", "--", "true"}} {
			r := runIn(t, dir, nil, append([]string{"secret", "--spec", "spec.json"}, args...)...)
			requireHarmless(t, r.stdout)
			requireHarmless(t, r.stderr)
		}
	})
}

// TestNothingOfAFileControlsATerminal covers declarations, file names and
// source.
func TestNothingOfAFileControlsATerminal(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	odd := strings.ReplaceAll(hostile, "\x00", "")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "x"), 0o700))
	bad := filepath.Join(dir, "x", strings.ReplaceAll(odd, "/", "")+".json")
	require.NoError(t, os.WriteFile(bad, []byte(`{"secrets":[{"kind":"random","namespace":"a","name":"`+
		"\\u001b[2J\\u202e\\nlayer: forged"+`"}]}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/x\n\ngo 1.26\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.go"),
		[]byte("package x\n\nvar _ = \u202e\nlayer: forged\n//line \x1b[2J.go:1\nvar x int = y\n"), 0o600))
	for _, args := range [][]string{{"status", "--spec", bad}, {"status", "--spec", bad, "--json"}, {"spec"},
		{"spec", "--json"}, {"plan"},
		{"status", "--spec", "spec.json", "--ledger", "./" + odd + ".age"}, {"status", "--spec", "./" + odd},
		{"run", "--", "./" + odd}, {"set", "$SECRET.auth.session-key", "--spec", "spec.json",
			"--from-file", bad}, {"timeline", "--spec", "spec.json", "--svg", bad + "/x"},
		{"init", "--to", "dir:x", "--ledger", "./" + strings.ReplaceAll(odd, "/", "") + ".age"}} {
		r := runIn(t, dir, nil, append([]string{"secret"}, args...)...)
		requireHarmless(t, r.stdout)
		requireHarmless(t, r.stderr)
	}
}

// TestPicturesAndTablesAreHarmless covers all pictures and tables of a result.
func TestPicturesAndTablesAreHarmless(t *testing.T) {
	result := rotate.Result{Secrets: []rotate.SecretStatus{{Address: secret.Address{Namespace: "auth", Name: "key"},
		State: rotate.StateOK, Current: hostile,
		Pending: hostile, Ready: time.Now(), Versions: []rotate.Life{{ID: hostile}, {ID: "v2", ActiveFrom: time.Now()}}}},
		Actions: []rotate.Action{{Address: secret.Address{Namespace: "auth", Name: "key"}, Action: rotate.OpPublish,
			Version: hostile, By: hostile}}}
	result.Unconfirmed = result.Actions
	picture := timeline.SVG(lives(result), time.Now(), time.UTC)
	requireHarmless(t, picture)
	requireHarmless(t, timeline.Text(lives(result), time.Now(), timeline.TextOptions{Width: 80, Location: time.UTC}))
	for _, width := range []int{0, 20, 80, 500} {
		for _, terminal := range []bool{false, true} {
			var out, err strings.Builder
			l := &layer{process: with(nil), out: &screen{w: &out, terminal: terminal, plain: true, width: width},
				err: &screen{w: &err}}
			l.printStatus(result)
			l.printActions(&rotate.Operator{By: "me"}, result)
			l.printUnconfirmed(result)
			l.say("%s", hostile)
			l.printError(errHostile)
			l.err.terminal, l.err.width = true, 300
			l.err.progress(hostile)
			l.err.show()
			requireHarmless(t, out.String())
			requireHarmless(t, strings.ReplaceAll(err.String(), "\r\x1b[K", ""))
		}
	}
}

var errHostile = &rotate.Problem{Kind: rotate.Drifted, Err: os.NewSyscallError(hostile, os.ErrInvalid)}

// TestRevealPrintsTheValueAsItIs checks that reveal prints the value and
// nothing else.
func TestRevealPrintsTheValueAsItIs(t *testing.T) {
	t.Parallel()
	dir := folder(t, stripe)
	value := "madeup_Sx28\x1b[31m\u202e\tw\x7fVb9Nd"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "value"), []byte(value), 0o600))
	layerIn(t, dir, nil, 0, "secret", "set", "$SECRET.billing.stripe-secret", "--spec", "spec.json", "--from-file",
		"value")
	stdout, _ := layerIn(t, dir, nil, 0, "secret", "reveal", "--yes", "$SECRET.billing.stripe-secret", "--spec",
		"spec.json")
	require.Equal(t, value+"\n", stdout)
	stdout, _ = layerIn(t, dir, nil, 0, "secret", "reveal", "--yes", "$SECRET.billing.stripe-secret", "--spec",
		"spec.json", "--json")
	var shown struct{ Value string }
	require.NoError(t, json.Unmarshal([]byte(stdout), &shown))
	require.Equal(t, value, shown.Value)
	requireHarmless(t, stdout)
}
