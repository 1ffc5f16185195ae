package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// repository makes a git repository that the settings of this machine do not
// affect.
func repository(t *testing.T, dir string, args ...string) (git func(args ...string) (string, error)) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		slow.Lacks(t, "git is not installed")
	}
	git = func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=Ann",
			"GIT_AUTHOR_EMAIL=ann@example.com",
			"GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := git(append([]string{"init", "-q", "-b", "main"}, args...)...)
	require.NoError(t, err, out)
	return git
}

// A ledger may have any name. The files of git contain that name and no other.
func TestGitKnowsTheLedgerByAnyName(t *testing.T) {
	t.Parallel()
	for name, unlike := range map[string]string{
		"layer.secrets.age": "layer-secrets.age",
		"a ledger.age":      "a.age",
		" spaces.age ":      "spaces.age",
		"[attr]x.age":       "tx.age",
		"a[1].age":          "a1.age",
		"a*b.age":           "axb.age",
		"a?b.age":           "axb.age",
		`a\b.age`:           "ab.age",
		"#1.age":            "1.age",
		"!not.age":          "not.age",
		`"quoted" it.age`:   "quoted.age",
		"tab\tand\nline":    "tab and line",
		"schlüssel.age":     "schluessel.age",
		"ключ и имя.age":    "ключ.age",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			git := repository(t, dir)
			for range 2 {
				layerIn(t, dir, nil, 0, "secret", "init", "--to", "dir:./secrets", "--ledger", name)
				require.NoError(t, os.Remove(filepath.Join(dir, name)))
				// A busy machine may not have made it.
				require.NoError(t, os.RemoveAll(filepath.Join(dir, "layer.seen")))
			}
			attributes, err := os.ReadFile(filepath.Join(dir, ".gitattributes"))
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(attributes), " binary\n"), "once")
			for file, want := range map[string]string{name: "set", unlike: "unspecified"} {
				out, err := git("check-attr", "-z", "binary", "--", file)
				require.NoError(t, err, out)
				require.Equal(t, file+"\x00binary\x00"+want+"\x00", out)
			}
			out, err := git("check-ignore", "-q", "--", name+".lock")
			require.NoError(t, err, out)
			_, err = git("check-ignore", "-q", "--", unlike+".lock")
			require.Error(t, err, "another file is ignored")
		})
	}
}

// Git does not merge two ledgers and does not change their line ends.
func TestGitLeavesTheLedgerWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git := repository(t, dir)
	must := func(args ...string) {
		t.Helper()
		out, err := git(args...)
		require.NoError(t, err, out)
	}
	must("config", "core.autocrlf", "true")
	layerIn(t, dir, nil, 0, "secret", "init", "--to", "dir:./secrets")
	must("add", ".")
	must("commit", "-qm", "begin")
	recipient := "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	ledger := func() string {
		data, err := os.ReadFile(filepath.Join(dir, "layer.secrets.age"))
		require.NoError(t, err)
		return string(data)
	}
	must("checkout", "-qb", "other")
	layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--add", recipient)
	theirs := ledger()
	must("commit", "-qam", "other")
	must("checkout", "-q", "main")
	require.NoError(t, os.Remove(filepath.Join(dir, "layer.seen")))
	layerIn(t, dir, nil, 0, "secret", "ledger", "recipients", "--add", recipient)
	ours := ledger()
	must("commit", "-qam", "main")
	out, err := git("merge", "other")
	require.Error(t, err)
	require.Contains(t, out, "CONFLICT")
	require.Equal(t, ours, ledger(), "no marks of a conflict are in it")
	must("checkout", "-q", "--theirs", "layer.secrets.age")
	require.Equal(t, theirs, ledger(), "no end of a line was changed")
}
