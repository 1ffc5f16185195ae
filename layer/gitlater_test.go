package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bare removes the repository of a tree and goes to a folder app in it.
func bare(t *testing.T) *tree {
	t.Helper()
	w := newTree(t)
	require.NoError(t, os.RemoveAll(w.in(".git")))
	w.folder("app")
	w.here = w.in("app")
	return w
}

// A repository that is made after init and apply stages no value and no identity
// either, however their places were written.
func TestLaterRepositoryStagesNothingPrivate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before func(w *tree)
		init   []string
		flags  []string // of apply
		then   func(w *tree)
	}{
		"as the guide says": {init: []string{"--to", "dir:secrets"}},
		"identity by absolute path": {init: []string{"--to", "dir:secrets", "--identity", "APP/my.key"},
			flags: []string{"--identity", "APP/my.key"}},
		"identity of odd spelling": {init: []string{"--to", "dir:secrets", "--identity", "../app/./my.key"},
			flags: []string{"--identity", "../app/my.key"}},
		"identity in a folder below": {before: func(w *tree) { w.folder("app", "keys") },
			init:  []string{"--to", "dir:secrets", "--identity", "APP/keys/my.key"},
			flags: []string{"--identity", "keys/my.key"}},
		"identity in a folder above": {init: []string{"--to", "dir:secrets", "--identity", "../my.key"},
			flags: []string{"--identity", "../my.key"}},
		"identity through a link": {before: func(w *tree) {
			w.folder("real")
			require.NoError(w.t, os.Symlink("../real", w.in("app", "link")))
		},
			init: []string{"--to", "dir:secrets", "--identity", "link/my.key"}, flags: []string{"--identity", "link/my.key"}},
		"identity in another folder of the target": {before: func(w *tree) { w.folder("out") },
			init: []string{"--to", "dir:../out", "--identity", "../out/x.key"}, flags: []string{"--identity", "../out/x.key"}},
		"target with other files": {before: func(w *tree) { w.write("theirs", "app", "s", "foreign") },
			init: []string{"--to", "dir:s"}},
		"target with other files, by absolute path": {before: func(w *tree) { w.write("theirs", "app", "s", "foreign") },
			init: []string{"--to", "dir:APP/s"}},
		"all by absolute path": {before: func(w *tree) { w.write("theirs", "app", "s", "foreign") },
			init:  []string{"--to", "dir:APP/s", "--ledger", "APP/l.age", "--identity", "APP/k"},
			flags: []string{"--ledger", "APP/l.age", "--identity", "APP/k"}},
		"target of odd spelling": {before: func(w *tree) { w.write("theirs", "app", "s", "foreign") },
			init: []string{"--to", "dir:../app/s"}},
		"target here": {init: []string{"--to", "dir:APP"}},
		"another target with other files": {before: func(w *tree) { w.write("theirs", "app", "t", "foreign") },
			init: []string{"--to", "dir:s"},
			then: func(w *tree) { w.succeeds("target", "dir:t") }},
		"another identity": {before: func(w *tree) { w.folder("keys") }, init: []string{"--to", "dir:s"},
			then: func(w *tree) {
				require.NoError(w.t, os.Rename(w.in("app", "layer.identity"), w.in("keys", "mine")))
				w.succeeds("apply", "--identity", w.in("keys", "mine"))
			}},
		"negation beside the identity": {before: func(w *tree) { w.write("my.key\n!*.key\n", "app", ".gitignore") },
			init: []string{"--to", "dir:secrets", "--identity", "my.key"}, flags: []string{"--identity", "my.key"}},
		"negation in the target": {before: func(w *tree) { w.write("*\n!LAYERON*\n!.LAYERON*\n", "app", "s", ".gitignore") },
			init: []string{"--to", "dir:APP/s"}},
		"excludes of this clone": {before: func(w *tree) {
			w.git = repository(w.t, w.top)
			w.write("theirs", "app", "s", "foreign")
			w.write("LAYERON_*\n.LAYERON_*\n*.key\n.layer-*\nlayer.*\n", ".git", "info", "exclude")
		}, init: []string{"--to", "dir:APP/s", "--identity", "APP/my.key"}, flags: []string{"--identity", "my.key"}},
		"excludes of this clone, whole folders": {before: func(w *tree) {
			w.git = repository(w.t, w.top)
			w.write("theirs", "app", "s", "foreign")
			w.folder("keys")
			w.write("app/\nkeys/\n", ".git", "info", "exclude")
		}, init: []string{"--to", "dir:APP/s", "--identity", "../keys/my.key"},
			flags: []string{"--identity", "../keys/my.key"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := bare(t)
			if tc.before != nil {
				tc.before(w)
			}
			args := func(command string, list []string) []string {
				all := []string{command}
				for _, a := range list {
					all = append(all, strings.ReplaceAll(a, "APP", w.in("app")))
				}
				return all
			}
			w.succeeds(args("init", tc.init)...)
			w.succeeds(args("apply", tc.flags)...)
			if tc.then != nil {
				tc.then(w)
			}
			files := gitFiles(t, w.top)
			r := w.run(args("apply", tc.flags)...)
			if tc.then == nil {
				require.Zero(t, r.status, r.stderr)
				require.Equal(t, files, gitFiles(t, w.top), "a second run adds no line")
			}
			identities, values := kept(t, w.top)
			require.Equal(t, 1, identities)
			require.NotZero(t, values)
			w.remains(w.top)
			require.NoError(t, os.RemoveAll(w.in(".git")))
			stagesNothingPrivate(t, w.top, repository(t, w.top))
			for _, folder := range []string{"app", "out", "real", "keys"} {
				if _, err := os.Stat(w.in(folder)); err == nil {
					stagesNothingPrivate(t, w.in(folder), repository(t, w.in(folder)))
				}
			}
			if _, err := os.Stat(w.in("app", "s", "foreign")); err == nil &&
				strings.Contains(strings.Join(tc.init, " "), "APP/s") {
				out, err := w.gitAt(w.in("app"))("ls-files")
				require.NoError(t, err, out)
				require.Contains(t, out, "s/foreign", "their file is not ignored")
			}
		})
	}
}

// gitFiles returns the texts of the files named .gitignore.
func gitFiles(t *testing.T, base string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	require.NoError(t, filepath.WalkDir(base, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == ".gitignore" {
			text, err := os.ReadFile(path)
			texts[path] = string(text)
			return err
		}
		return err
	}))
	return texts
}

// An identity in a folder that this user may not write is used all the same: where
// there is no repository, that is no reason to refuse.
func TestRootIdentityInFolderOfAnotherUserNeedsNoLine(t *testing.T) {
	t.Parallel()
	p := newHousehold(t, alice, alice, 0o700)
	p.succeeds(alice, alice, "init", "--to", "dir:secrets")
	keys := filepath.Join(filepath.Dir(p.dir), "keys")
	require.NoError(t, os.Mkdir(keys, 0o755))
	require.NoError(t, os.Rename(filepath.Join(p.dir, "layer.identity"), filepath.Join(keys, "k")))
	p.succeeds(alice, alice, "apply", "--spec", "spec.json", "--identity", "../keys/k")
	require.NoFileExists(t, filepath.Join(keys, ".gitignore"))
}

// core.worktree and GIT_WORK_TREE lead to a folder that has no .git: git is asked in
// it all the same.
func TestWorkTreeElsewhereIsAsked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before func(w *tree)
		env    []string
		args   []string // of git
	}{
		"core.worktree":                     {before: func(w *tree) { w.gitsIn("app", "config", "core.worktree", "../..") }},
		"core.worktree, absolute":           {before: func(w *tree) { w.gitsIn("app", "config", "core.worktree", w.top) }},
		"GIT_WORK_TREE is the folder above": {env: []string{"GIT_WORK_TREE=.."}, args: []string{"--work-tree", ".."}},
		"GIT_WORK_TREE is elsewhere": {before: func(w *tree) { w.folder("other") },
			env: []string{"GIT_WORK_TREE=TOP/other"}},
		"GIT_WORK_TREE is nowhere": {env: []string{"GIT_WORK_TREE=/nowhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := bare(t)
			repository(t, w.in("app"))
			if tc.before != nil {
				tc.before(w)
			}
			for _, e := range tc.env {
				w.env = append(w.env, strings.ReplaceAll(e, "TOP", w.top))
			}
			w.write("!*\n", "app", "keys", ".gitignore")
			w.succeeds("init", "--to", "dir:../s", "--identity", "../app/keys/x.key")
			w.succeeds("apply", "--identity", "keys/x.key")
			git := func(args ...string) (string, error) { return w.gitIn("app")(append(tc.args, args...)...) }
			out, err := git("add", "-A")
			require.NoError(t, err, out)
			out, err = git("ls-files", "--full-name", ":/")
			require.NoError(t, err, out)
			require.Contains(t, out, "layer.secrets.age")
			require.NotContains(t, out, "x.key")
			require.NotContains(t, out, "LAYERON_")
			mustGit(t, git, "add", "-f", "keys/x.key")
			r := w.run("apply", "--identity", "keys/x.key")
			require.Equal(t, 1, r.status, r.stdout)
			require.Contains(t, r.stderr, "keys/x.key is the identity and git tracks it")
		})
	}
}

func (w *tree) gitsIn(path string, args ...string) {
	w.t.Helper()
	mustGit(w.t, w.gitIn(path), args...)
}
