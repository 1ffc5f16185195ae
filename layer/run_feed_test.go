package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// see is one look: seconds after the start, and the content that it finds.
type see struct {
	at      int
	content string
	passes  bool
}

func TestChangesAreMerged(t *testing.T) {
	t.Parallel()
	key := secret.Address{Namespace: "auth", Name: "key"}
	for name, looks := range map[string][]see{
		"no change":                {{1, "a", false}, {2, "a", false}},
		"one change":               {{1, "b", false}, {2, "b", true}, {3, "b", false}},
		"two close changes":        {{1, "b", false}, {2, "c", false}, {3, "c", true}, {4, "c", false}},
		"there and back":           {{1, "b", false}, {2, "a", false}, {3, "a", false}},
		"two apart":                {{1, "b", false}, {2, "b", true}, {3, "c", false}, {4, "c", true}},
		"back after it was passed": {{1, "b", false}, {2, "b", true}, {3, "a", false}, {4, "a", true}},
		"without a pause": {{1, "b", false}, {2, "c", false}, {3, "d", false}, {5, "e", false}, {7, "f", false},
			{9, "g", false}, {10, "h", false}, {11, "i", true}, {12, "j", false}, {13, "j", true}},
		"a pause that was interrupted": {{1, "b", false}, {2, "a", false}, {14, "b", false}, {15, "b", true}},
	} {
		for _, inFolder := range []bool{false, true} {
			start := time.Now()
			view := func(content string) view {
				d := digests{key: digestOf(content)}
				if inFolder {
					return view{folder: d}
				}
				return view{ledger: d}
			}
			s := settle{passed: view("a")}
			for _, look := range looks {
				require.Equal(t, look.passes, s.see(start.Add(time.Duration(look.at)*time.Second), view(look.content)),
					"%s: %d s, folder %v", name, look.at, inFolder)
			}
		}
	}
}

func TestChangedSecretsAreNamed(t *testing.T) {
	t.Parallel()
	a, b, c := secret.Address{Name: "a"}, secret.Address{Name: "b"}, secret.Address{Name: "c"}
	one := view{digests{a: digestOf("1"), b: digestOf("1")}, digests{a: digestOf("1")}}
	require.Empty(t, changed(one, one))
	require.Equal(t, []secret.Address{a, c},
		changed(one, view{digests{a: digestOf("2"), b: digestOf("1"), c: digestOf("1")}, digests{a: digestOf("2")}}))
	require.Equal(t, []secret.Address{b}, changed(one, view{digests{a: digestOf("1")}, digests{a: digestOf("1")}}))
}

// feedIn returns the feed of a run in a folder.
func feedIn(t *testing.T, dir string, p passing) *feed {
	t.Helper()
	out := newScreen(new(strings.Builder), func(string) (string, bool) { return "", false })
	l := &layer{process: with(map[string]string{}), out: out, err: out}
	l.environ = func() []string { return nil }
	l.dir = dir
	l.command() // sets the defaults of the flags
	l.spec = "spec.json"
	require.NoError(t, p.parse(l))
	f, err := l.withSecrets(context.Background(), p)
	require.NoError(t, err)
	require.NoError(t, f.begin(time.Now()))
	return f
}

// An announced version changes the stored text, and not the current value. So it
// is no change for a program that gets the current value, also in the folder of
// values.
func TestAnnouncementIsNoChangeOfTheCurrentValue(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		p         passing
		announced bool // the announcement is a change
	}{
		"stored texts":         {passing{}, true},
		"--plain":              {passing{plain: true}, false},
		"--env":                {passing{env: []string{"K=auth.session-key"}}, false},
		"--env of another one": {passing{env: []string{"K=billing.stripe-secret"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, rotating, stripe)
			layerIn(t, dir, nil, 1, "secret", "apply", "--spec", "spec.json")
			layerIn(t, dir, []string{"VALUE=madeup_Wm29bHs4Ly"}, 0, "secret", "set", "$SECRET.billing.stripe-secret",
				"--value-env", "VALUE", "--spec", "spec.json")
			f := feedIn(t, dir, test.p)
			look := func() (view, view) {
				before := f.view
				f.ledger.next, f.target.next = time.Time{}, time.Time{}
				f.look(context.Background(), time.Now())
				require.Empty(t, f.said)
				return before, f.view
			}
			before, after := look()
			require.True(t, before.equal(after), "nothing has changed")
			layerIn(t, dir, nil, 0, "secret", "rotate", "--now", "--spec", "spec.json")
			before, after = look()
			require.Equal(t, test.announced, !before.equal(after), "announced")
			layerIn(t, dir, nil, 0, "secret", "rotate", "--immediate", "$SECRET.auth.session-key", "--spec", "spec.json")
			before, after = look()
			require.False(t, before.equal(after), "now current")
			key := secret.Address{Namespace: "auth", Name: "session-key"}
			require.Equal(t, []secret.Address{key}, changed(before, after))
			require.NotEqual(t, before.folder[key], after.folder[key])
			require.NotEqual(t, before.ledger[key], after.ledger[key])
		})
	}
}

// A value that disappears from the folder, or is empty, is no change: a program
// would start without it.
func TestMissingFileIsNoChange(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
	f := feedIn(t, dir, passing{})
	before := f.view
	path := filepath.Join(dir, "secrets", "LAYERON_SECRET_AUTH_SESSION_KEY")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	f.readFolder()
	require.True(t, before.equal(f.view))
	require.NoError(t, os.Remove(path))
	f.readFolder()
	require.True(t, before.equal(f.view))
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	f.readFolder()
	require.True(t, before.equal(f.view))
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, []byte("by hand"), 0o600))
	f.readFolder()
	require.False(t, before.equal(f.view))
}

// The memory of this process decides, even if layer.seen is behind or missing.
func TestOnlyALaterStateSucceeds(t *testing.T) {
	t.Parallel()
	one := rotate.NewState(rotate.Settings{})
	ledger := &rotate.MemoryLedger{}
	one, rev, err := rotate.Commit(t.Context(), ledger, "", one)
	require.NoError(t, err)
	two, _, err := rotate.Commit(t.Context(), ledger, rev, one.WithLog(rotate.LogEntry{Op: "test"}))
	require.NoError(t, err)
	require.NoError(t, succeeds(one, one))
	require.NoError(t, succeeds(one, two))
	require.ErrorContains(t, succeeds(two, one), "older than the one")
	require.ErrorContains(t, succeeds(one, rotate.NewState(rotate.Settings{})), "another ledger")
	require.Error(t, succeeds(one, one.MovedTo("s3://elsewhere")))
}

// A file is read after each change of its metadata, and a server at most every
// five seconds.
func TestWhenToLook(t *testing.T) {
	t.Parallel()
	now := time.Now()
	path := filepath.Join(t.TempDir(), "file")
	file := outlook{files: []string{path}}
	require.True(t, file.due(now), "the first time")
	require.False(t, file.due(now.Add(time.Hour)))
	require.NoError(t, os.WriteFile(path, []byte("a"), 0o600))
	require.True(t, file.due(now))
	require.False(t, file.due(now))
	file.again(now.Add(time.Second))
	require.False(t, file.due(now))
	require.True(t, file.due(now.Add(time.Second)))

	server := outlook{every: ledgerEvery}
	last, times := time.Time{}, 0
	for i := range 600 {
		if at := now.Add(time.Duration(i) * time.Second / 10); server.due(at) {
			require.GreaterOrEqual(t, at.Sub(last), 5*time.Second)
			last, times = at, times+1
		}
	}
	require.GreaterOrEqual(t, times, 9)
}

func TestTooLargeEnvironmentIsExplained(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, cannotRun("server", fmt.Errorf("exec: %w", syscall.E2BIG)),
		"server cannot be run: its environment is too large for this system: give it a folder of values")
}

// A text that is one secret's binding and the address of another is refused.
func TestAmbiguousAddress(t *testing.T) {
	t.Parallel()
	a := secret.SpecSecret{Address: secret.Address{Namespace: "tls", Name: "crt"}, Binding: "TLS"}
	b := secret.SpecSecret{Address: secret.Address{Namespace: "other", Name: "one"}, Binding: "tls.crt"}
	both := secret.Spec{Secrets: []secret.SpecSecret{a, b}}
	_, err := namedValues([]envFlag{{"K", "tls.crt"}}, both, rotate.State{})
	require.ErrorContains(t, err, "--env: tls.crt names more than one secret, by its address or its binding")
	named, err := namedValues([]envFlag{{"K", "$SECRET.tls.crt"}, {"L", "TLS"}, {"M", "other.one"}}, both, rotate.State{})
	require.NoError(t, err)
	require.Equal(t, []namedValue{{"K", a}, {"L", a}, {"M", b}}, named)
}

func TestOneHasChangedAndSeveralHave(t *testing.T) {
	t.Parallel()
	list := []secret.Address{{Namespace: "a", Name: "b"}, {Namespace: "a", Name: "c"}, {Namespace: "a", Name: "d"}}
	require.Equal(t, "$SECRET.a.b has changed", haveChanged(list[:1]))
	require.Equal(t, "$SECRET.a.b and 1 other have changed", haveChanged(list[:2]))
	require.Equal(t, "$SECRET.a.b and 2 others have changed", haveChanged(list))
}
