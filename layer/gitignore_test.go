package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// tree is a folder with repositories, in which layer works.
type tree struct {
	t    *testing.T
	top  string                               // the folder of the first repository
	git  func(args ...string) (string, error) // in that repository
	here string                               // where layer runs, below top or beside it
	env  []string
}

func newTree(t *testing.T) *tree {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	top := filepath.Join(base, "top")
	require.NoError(t, os.Mkdir(top, 0o700))
	w := &tree{t: t, top: top, git: repository(t, top), here: top}
	declare(t, top, rotating)
	return w
}

// in returns a path in the repository.
func (w *tree) in(path ...string) string { return filepath.Join(append([]string{w.top}, path...)...) }

func (w *tree) write(text string, path ...string) {
	w.t.Helper()
	require.NoError(w.t, os.MkdirAll(filepath.Dir(w.in(path...)), 0o700))
	require.NoError(w.t, os.WriteFile(w.in(path...), []byte(text), 0o600))
}

func (w *tree) folder(path ...string) {
	w.t.Helper()
	require.NoError(w.t, os.MkdirAll(w.in(path...), 0o700))
}

func (w *tree) gits(args ...string) string {
	w.t.Helper()
	out, err := w.git(args...)
	require.NoError(w.t, err, "git %q: %s", args, out)
	return out
}

// run runs layer secret with the spec of the tree.
func (w *tree) run(args ...string) result {
	w.t.Helper()
	if args[0] != "init" && args[0] != "ledger" {
		args = append(args, "--spec", w.in("spec.json"))
	}
	return runIn(w.t, w.here, w.env, append([]string{"secret"}, args...)...)
}

func (w *tree) succeeds(args ...string) {
	w.t.Helper()
	r := w.run(args...)
	require.Zero(w.t, r.status, "layer secret %q: %s", args, r.stderr)
}

// remains puts a temporary file of a killed run beside every file that layer
// writes.
func (w *tree) remains(base string) {
	w.t.Helper()
	require.NoError(w.t, filepath.WalkDir(base, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if private(path) && !strings.HasSuffix(path, ".tmp") {
			return os.WriteFile(filepath.Join(filepath.Dir(path), aTemporary(filepath.Base(path))), []byte("half"), 0o600)
		}
		return nil
	}))
}

// private reports whether a file must never be staged.
func private(path string) bool {
	name := filepath.Base(path)
	text, _ := os.ReadFile(path)
	return strings.Contains(string(text), "AGE-SECRET-KEY-1") || name == "layer.seen" || strings.HasSuffix(name, ".tmp") ||
		strings.HasPrefix(string(text), "process ") || isValue(name)
}

// stagesNothingPrivate stages all files of the repository at top with git, and
// checks them.
func stagesNothingPrivate(t *testing.T, top string, git func(args ...string) (string, error)) {
	t.Helper()
	out, err := git("add", "-A")
	require.NoError(t, err, out)
	out, err = git("ls-files", "-z")
	require.NoError(t, err, out)
	for file := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		require.False(t, private(filepath.Join(top, file)), "%q is staged", file)
	}
}

// kept counts the private files below a folder.
func kept(t *testing.T, base string) (identities, values int) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(base, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, _ := os.ReadFile(path)
			switch {
			case strings.Contains(string(text), "AGE-SECRET-KEY-1"):
				identities++
			case strings.HasPrefix(d.Name(), "LAYERON_SECRET_"):
				values++
			}
		}
		return nil
	}))
	return identities, values
}

// After init and apply, git add -A stages no value, no identity, no memory, no
// lock and no temporary file, in any folder.
func TestGitStagesNothingPrivate(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		before func(w *tree)
		init   []string
		flags  []string // of apply
	}{
		"as the guide says": {init: []string{"--to", "dir:./secrets"}},
		"ledger in a subfolder": {before: func(w *tree) { w.folder("sub") },
			init: []string{"--to", "dir:secrets", "--ledger", "sub/l.age"}},
		"target above the ledger": {before: func(w *tree) { w.folder("sub") },
			init: []string{"--to", "dir:.", "--ledger", "sub/l.age"}},
		"target by absolute path": {init: []string{"--to", "dir:TOP/deep/secrets"}},
		"target in a folder above": {before: func(w *tree) { w.folder("sub"); w.here = w.in("sub") },
			init: []string{"--to", "dir:../secrets"}},
		"target that is this one":                   {init: []string{"--to", "dir:."}},
		"target that is this one, by absolute path": {init: []string{"--to", "dir:TOP"}},
		"target that is the folder above": {before: func(w *tree) { w.folder("sub"); w.here = w.in("sub") },
			init: []string{"--to", "dir:.."}},
		"target through a link": {before: func(w *tree) {
			w.folder("real", "place")
			require.NoError(w.t, os.Symlink("real/place", w.in("link")))
		}, init: []string{"--to", "dir:link"}},
		"target below a link": {before: func(w *tree) {
			w.folder("real")
			require.NoError(w.t, os.Symlink("real", w.in("link")))
		}, init: []string{"--to", "dir:link/secrets"}},
		"target through a link from outside": {before: func(w *tree) {
			w.folder("real")
			require.NoError(w.t, os.Symlink(w.in("real"), filepath.Join(w.top, "..", "link")))
		}, init: []string{"--to", "dir:../link"}},
		"ledger outside, target inside": {before: func(w *tree) { w.here = filepath.Dir(w.top) },
			init: []string{"--to", "dir:top/secrets"}},
		"identity elsewhere": {init: []string{"--to", "dir:secrets", "--identity", "keys/my.key"},
			before: func(w *tree) { w.folder("keys") }, flags: []string{"--identity", "keys/my.key"}},
		"identity by absolute path": {init: []string{"--to", "dir:secrets", "--identity", "TOP/keys/my.key"},
			before: func(w *tree) { w.folder("keys") }, flags: []string{"--identity", "TOP/keys/my.key"}},
		"identity above": {before: func(w *tree) { w.folder("sub"); w.here = w.in("sub") },
			init: []string{"--to", "dir:secrets", "--identity", "../my.key"}, flags: []string{"--identity", "../my.key"}},
		"identity beside a ledger in a subfolder": {before: func(w *tree) { w.folder("sub") },
			init:  []string{"--to", "dir:secrets", "--ledger", "sub/l.age", "--identity", "my.key"},
			flags: []string{"--identity", "my.key"}},
		"identity in the folder of values": {before: func(w *tree) { w.folder("secrets") },
			init:  []string{"--to", "dir:secrets", "--identity", "secrets/my.key"},
			flags: []string{"--identity", "secrets/my.key"}},
		"ledger in the folder of values": {before: func(w *tree) { w.folder("secrets") },
			init: []string{"--to", "dir:secrets", "--ledger", "secrets/l.age"}},
		"negation of the identity": {before: func(w *tree) { w.write("!layer.*\n", ".gitignore") },
			init: []string{"--to", "dir:secrets"}},
		"negation after our lines": {before: func(w *tree) {
			w.write("layer.identity\nlayer.seen\nlayer.secrets.age.lock\n.layer-*.tmp\nsecrets/\n!*\n", ".gitignore")
		}, init: []string{"--to", "dir:secrets"}},
		"negation beside the identity": {before: func(w *tree) { w.write("!my.key\n!.layer*\n", "keys", ".gitignore") },
			init: []string{"--to", "dir:secrets", "--identity", "keys/my.key"}, flags: []string{"--identity", "keys/my.key"}},
		"negation in the folder of values": {before: func(w *tree) { w.write("!*\n", "secrets", ".gitignore") },
			init: []string{"--to", "dir:secrets"}},
		"negation of one value": {before: func(w *tree) {
			w.write("*\n!LAYERON_SECRET_AUTH_*\n!.LAYERON_SECRET_AUTH_*\n", "conf", ".gitignore")
			w.folder("sub")
			w.here = w.in("sub")
		},
			init: []string{"--to", "dir:../conf"}},
		"negation of the folder of values": {before: func(w *tree) {
			w.write("secrets/*\n!secrets/\n!secrets/*\n", ".gitignore")
		}, init: []string{"--to", "dir:secrets"}},
		"negation in the repository's own excludes": {before: func(w *tree) { w.write("!*\n", ".git", "info", "exclude") },
			init: []string{"--to", "dir:secrets"}},
		"negation with carriage returns": {before: func(w *tree) { w.write("x\r\n!layer.identity\r\n", ".gitignore") },
			init: []string{"--to", "dir:secrets"}},
		"excludes of the user": {before: func(w *tree) {
			w.write("!*\n", "..", "excludes")
			w.gits("config", "core.excludesFile", filepath.Join(w.top, "..", "excludes"))
		}, init: []string{"--to", "dir:secrets"}},
		"folder with other files": {before: func(w *tree) {
			w.write("theirs", "conf", "app.yaml")
			w.write("*.bak", "conf", ".gitignore")
		}, init: []string{"--to", "dir:TOP/conf"}},
		"nested repository": {before: func(w *tree) {
			w.write("x", "nested", "x")
			repository(w.t, w.in("nested"))
			mustGit(w.t, w.gitIn("nested"), "add", ".")
			mustGit(w.t, w.gitIn("nested"), "commit", "-qm", "x")
		}, init: []string{"--to", "dir:nested/secrets"}},
		"nested repository in which the outer one has files": {before: func(w *tree) {
			w.write("x", "nested", "x")
			w.gits("add", "nested/x")
			repository(w.t, w.in("nested"))
			w.write("!*\n", ".gitignore")
		}, init: []string{"--to", "dir:nested/secrets"}},
		"submodule": {before: func(w *tree) {
			w.folder("sub")
			repository(w.t, w.in("sub"))
			inner := w.gitIn("sub")
			w.write("x", "sub", "x")
			mustGit(w.t, inner, "add", ".")
			mustGit(w.t, inner, "commit", "-qm", "x")
			w.gits("-c", "advice.addEmbeddedRepo=false", "add", "sub")
		}, init: []string{"--to", "dir:sub/secrets"}},
		"worktree": {before: func(w *tree) {
			w.gits("add", ".")
			w.gits("commit", "-qm", "x")
			w.gits("worktree", "add", "-q", "../linked")
			w.here = filepath.Join(w.top, "..", "linked")
			w.git = w.gitAt(w.here)
			w.top = w.here
		}, init: []string{"--to", "dir:TOP/deep/secrets"}},
		"GIT_DIR of another one": {before: func(w *tree) {
			w.env = []string{"GIT_DIR=/nowhere/.git", "GIT_WORK_TREE=/nowhere"}
		},
			init: []string{"--to", "dir:TOP/deep/secrets"}},
		"name with a colon": {init: []string{"--to", "dir:./:(top)x", "--identity", "./:!my.key"},
			flags: []string{"--identity", "./:!my.key"}},
		"this folder has no files": {before: func(w *tree) { w.folder("empty"); w.here = w.in("empty") },
			init: []string{"--to", "dir:.", "--identity", "TOP/my.key"}, flags: []string{"--identity", "TOP/my.key"}},
		"case that differs": {before: func(w *tree) {
			w.gits("config", "core.ignoreCase", "true")
			w.write("!LAYER.*\n!SECRETS\n", ".gitignore")
		},
			init: []string{"--to", "dir:secrets"}},
	}
	for _, name := range []string{"a[1]", "a]b", "#hash", "!not", `back\slash`, " space ", "a  ", "*", "a*b?", "tab\t",
		"line\nbreak", "return\r", "schlüssel",
		`"quoted"`, "-dash", "$HOME", "{a,b}", "\xff", "~", "'"} {
		inits := map[string][]string{"all": {"--to", "dir:" + name, "--ledger", "lower/" + name, "--identity=../" + name}}
		if slow.All() {
			inits = map[string][]string{
				"target":                   {"--to", "dir:" + name},
				"target in a folder above": {"--to", "dir:../" + name, "--ledger", "l.age"},
				"target below":             {"--to", "dir:x/" + name + "/y"},
				"target by absolute path":  {"--to", "dir:TOP/" + name},
				"identity":                 {"--to", "dir:secrets", "--identity=" + name},
				"identity above":           {"--to", "dir:secrets", "--identity=../" + name},
				"ledger":                   {"--to", "dir:secrets", "--ledger=" + name},
				"ledger in its folder":     {"--to", "dir:secrets", "--ledger=" + name + "/" + name},
			}
		}
		for how, init := range inits {
			if !utf8.ValidString(init[1]) {
				continue // a ledger rejects such a target
			}
			tc := cases[""]
			tc.init = init
			tc.before = func(w *tree) {
				w.folder("sub", "lower")
				w.here = w.in("sub")
				if how == "ledger in its folder" {
					w.folder("sub", name)
				}
			}
			if last := init[len(init)-1]; strings.HasPrefix(last, "--identity=") {
				tc.flags = []string{last}
			}
			cases[fmt.Sprintf("%s %q", how, name)] = tc
		}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTree(t)
			if tc.before != nil {
				tc.before(w)
			}
			args := func(list []string) []string {
				var all []string
				for _, a := range list {
					all = append(all, strings.ReplaceAll(a, "TOP", w.top))
				}
				return all
			}
			flags := args(tc.flags)
			for i, a := range tc.init {
				if a == "--ledger" {
					flags = append(flags, a, tc.init[i+1])
				} else if strings.HasPrefix(a, "--ledger=") {
					flags = append(flags, a)
				}
			}
			base := filepath.Dir(w.top)
			check := func() {
				w.remains(base)
				stagesNothingPrivate(t, w.top, w.git)
				for file := range strings.SplitSeq(w.gits("ls-files", "-z", "--others", "--ignored", "--exclude-standard"),
					"\x00") {
					text, _ := os.ReadFile(w.in(file))
					require.False(t, strings.HasPrefix(string(text), "-----BEGIN AGE"), "git ignores the ledger %q", file)
				}
				if _, err := os.Stat(w.in("nested", ".git")); err == nil {
					stagesNothingPrivate(t, w.in("nested"), w.gitIn("nested"))
				}
				if _, err := os.Stat(w.in("sub", ".git")); err == nil {
					stagesNothingPrivate(t, w.in("sub"), w.gitIn("sub"))
				}
			}
			w.succeeds(append([]string{"init"}, args(tc.init)...)...)
			identities, values := kept(t, base)
			require.Equal(t, []int{1, 0}, []int{identities, values}, "the test finds the identity")
			check()
			w.succeeds(append([]string{"apply"}, flags...)...)
			identities, values = kept(t, base)
			require.Equal(t, []int{1, 1}, []int{identities, values}, "the test finds the value")
			check()
			w.succeeds(append([]string{"rotate", "--immediate"}, flags...)...)
			w.succeeds(append([]string{"status"}, flags...)...)
			check()
		})
	}
}

func mustGit(t *testing.T, git func(args ...string) (string, error), args ...string) {
	t.Helper()
	out, err := git(args...)
	require.NoError(t, err, "git %q: %s", args, out)
}

func (w *tree) gitIn(path string) func(args ...string) (string, error) { return w.gitAt(w.in(path)) }

// gitAt runs git in another folder.
func (w *tree) gitAt(dir string) func(args ...string) (string, error) {
	git := w.git
	return func(args ...string) (string, error) { return git(append([]string{"-C", dir}, args...)...) }
}
