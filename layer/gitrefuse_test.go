package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

var wayOut = regexp.MustCompile("`(cd [^`]+ git rm [^`]+)`")

// Git stages a file that it tracks already, even if .gitignore lists the file.
// The command that the error names ends that.
func TestTrackedSecretIsRefused(t *testing.T) {
	t.Parallel()
	const value, note = "secrets/LAYERON_SECRET_AUTH_SESSION_KEY", "secrets/.LAYERON_SECRET_AUTH_SESSION_KEY.note"
	for name, tc := range map[string]struct {
		track []string // git add -f
		says  string
		then  func(w *tree)
	}{
		"identity":         {[]string{"layer.identity"}, "layer.identity is the identity and git tracks it", nil},
		"identity, intent": {[]string{"-N", "layer.identity"}, "layer.identity is the identity and git tracks it", nil},
		"identity of another case": {[]string{"layer.identity"}, "LAYER.Identity is the identity and git tracks it",
			func(w *tree) {
				w.gits("config", "core.ignoreCase", "false")
				w.gits("mv", "-f", "layer.identity", "LAYER.Identity")
				require.NoError(w.t, os.Rename(w.in("LAYER.Identity"), w.in("layer.identity")))
				w.gits("config", "core.ignoreCase", "true")
			}},
		"value":  {[]string{value}, value + " is a value and git tracks it", nil},
		"note":   {[]string{note}, note + " is a value and git tracks it", nil},
		"memory": {[]string{"layer.seen"}, "layer.seen is the memory of ledgers seen and git tracks it", nil},
		"lock":   {[]string{"layer.secrets.age.lock"}, "layer.secrets.age.lock is a file that layer keeps here", nil},
		"value that was rotated since": {nil, value + " is a value", func(w *tree) {
			text, err := os.ReadFile(w.in(value))
			require.NoError(w.t, err)
			w.write("older", value)
			w.gits("add", "-f", value)
			w.write(string(text), value)
		}},
		"value that is deleted": {[]string{value}, value + " is a value", func(w *tree) {
			w.gits("commit", "-qm", "x")
			require.NoError(w.t, os.Rename(w.in("secrets"), w.in("..", "gone")))
			require.NoError(w.t, os.MkdirAll(w.in("secrets"), 0o700))
			for _, file := range []string{value, note} {
				text, err := os.ReadFile(w.in("..", "gone", filepath.Base(file)))
				require.NoError(w.t, err)
				w.write(string(text), file)
			}
		}},
		"value in a repository around this one": {nil, "top/" + value + " is a value and git tracks it", func(w *tree) {
			require.NoError(w.t, os.Rename(w.in(".git"), w.in("..", "kept")))
			w.git = repository(w.t, w.in(".."))
			w.gits("add", "-f", "top/"+value)
			require.NoError(w.t, os.Rename(w.in("..", "kept"), w.in(".git")))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTree(t)
			w.succeeds("init", "--to", "dir:secrets")
			w.succeeds("apply")
			if tc.track != nil {
				w.gits(append([]string{"add", "-f"}, tc.track...)...)
			}
			if tc.then != nil {
				tc.then(w)
			}
			ledger, err := os.ReadFile(w.in("layer.secrets.age"))
			require.NoError(t, err)
			r := w.run("rotate", "--immediate")
			require.Equal(t, 1, r.status, r.stdout)
			require.Contains(t, r.stderr, tc.says)
			require.Contains(t, r.stderr, "nothing was made or published")
			after, err := os.ReadFile(w.in("layer.secrets.age"))
			require.NoError(t, err)
			require.Equal(t, string(ledger), string(after))
			found := wayOut.FindStringSubmatch(r.stderr)
			require.NotNil(t, found, r.stderr)
			out, err := exec.CommandContext(t.Context(), "sh", "-c", found[1]).CombinedOutput()
			require.NoError(t, err, "%s: %s", found[1], out)
			w.succeeds("rotate", "--immediate")
			if !strings.Contains(name, "around") {
				stagesNothingPrivate(t, w.top, w.git)
			}
		})
	}
}

// init makes nothing if git tracks a file that init would make.
func TestInitRefusesTrackedNames(t *testing.T) {
	t.Parallel()
	for file, args := range map[string][]string{
		"layer.identity":                        {},
		"my key's":                              {"--identity", "my key's"},
		"secrets/LAYERON_SECRET_BILLING_STRIPE": {},
		"layer.seen":                            {},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			w := newTree(t)
			w.write("old", file)
			w.gits("add", "-f", file)
			require.NoError(t, os.Remove(w.in(file)))
			init := append([]string{"init", "--to", "dir:secrets"}, args...)
			r := w.run(init...)
			require.Equal(t, 1, r.status, r.stdout)
			require.Contains(t, r.stderr, "git tracks it")
			require.NoFileExists(t, w.in("layer.identity"))
			require.NoFileExists(t, w.in("my key's"))
			require.NoFileExists(t, w.in("layer.secrets.age"))
			out, err := exec.CommandContext(t.Context(), "sh", "-c", wayOut.FindStringSubmatch(r.stderr)[1]).CombinedOutput()
			require.NoError(t, err, string(out))
			w.succeeds(init...)
			stagesNothingPrivate(t, w.top, w.git)
		})
	}
}

// git follows no link to a .gitignore. layer follows no link to a file that it
// changes.
func TestGitFileThatIsNoPlainFileIsRefused(t *testing.T) {
	t.Parallel()
	for what, put := range map[string]func(w *tree, path string) error{
		"link":      func(w *tree, path string) error { return os.Symlink(w.in("..", "other"), path) },
		"hard link": func(w *tree, path string) error { return os.Link(w.in("..", "other"), path) },
		"directory": func(_ *tree, path string) error { return os.Mkdir(path, 0o700) },
	} {
		for file, init := range map[string][]string{
			".gitignore":         {"--to", "dir:secrets"},
			".gitattributes":     {"--to", "dir:secrets"},
			"keys/.gitignore":    {"--to", "dir:secrets", "--ledger", "sub/l.age", "--identity", "TOP/keys/my.key"},
			"secrets/.gitignore": {"--to", "dir:TOP/secrets"},
			"conf/.gitignore":    {"--to", "dir:TOP/conf"},
		} {
			t.Run(what+" "+file, func(t *testing.T) {
				t.Parallel()
				w := newTree(t)
				w.write("theirs", "conf", "app.yaml")
				w.folder("keys")
				w.folder("secrets")
				w.folder("sub")
				w.write("AGE-SECRET-KEY-1MADEUP", "..", "other")
				if file == "keys/.gitignore" || strings.HasPrefix(file, "secrets") {
					w.write("!my.key\n!secrets\n", ".gitignore")
				}
				require.NoError(t, put(w, w.in(file)))
				args := []string{"init"}
				for _, a := range init {
					args = append(args, strings.ReplaceAll(a, "TOP", w.top))
				}
				r := w.run(args...)
				require.Equal(t, 1, r.status, r.stdout)
				require.Contains(t, r.stderr, file+" cannot be written: ")
				require.Contains(t, r.stderr, what)
				require.NoFileExists(t, w.in("layer.identity"))
				require.NoFileExists(t, w.in("keys", "my.key"))
				text, err := os.ReadFile(w.in("..", "other"))
				require.NoError(t, err)
				require.Equal(t, "AGE-SECRET-KEY-1MADEUP", string(text))
				require.NoError(t, os.Remove(w.in(file)))
				w.succeeds(args...)
				stagesNothingPrivate(t, w.top, w.git)
			})
		}
	}
}

// A .gitignore that layer did not make keeps its lines, its mode and the end of
// its last line.
func TestGitignoreOfOthersIsExtended(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	w.write("theirs", "conf", "app.yaml")
	w.write("# theirs\r\n*.bak", "conf", ".gitignore")
	require.NoError(t, os.Chmod(w.in("conf", ".gitignore"), 0o640))
	w.succeeds("init", "--to", "dir:TOP/conf")
	w.succeeds("target", "dir:"+w.in("conf"))
	text, err := os.ReadFile(w.in("conf", ".gitignore"))
	require.NoError(t, err)
	require.Equal(t, "# theirs\r\n*.bak\n/LAYERON_SECRET_*\n/.LAYERON_SECRET_*\n.layer-*.tmp\n", string(text))
	info, err := os.Stat(w.in("conf", ".gitignore"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())
	w.gits("add", "-A")
	require.Contains(t, w.gits("ls-files"), "conf/app.yaml", "their files are not ignored")
}

// If a file is in a repository only after init, the next command that publishes
// makes git ignore the file.
func TestLaterChangesAreKeptOutOfGit(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *tree){
		"another target":                   func(w *tree) { w.succeeds("target", "dir:../top/other") },
		"another target, here":             func(w *tree) { w.succeeds("target", "dir:.") },
		"another target, by absolute path": func(w *tree) { w.succeeds("target", "dir:"+w.in("a", "b")) },
		"another identity": func(w *tree) {
			w.folder("keys")
			require.NoError(w.t, os.Rename(w.in("layer.identity"), w.in("keys", "mine")))
			w.succeeds("apply", "--identity", "keys/mine")
		},
		"the lines are gone": func(w *tree) {
			require.NoError(w.t, os.Remove(w.in(".gitignore")))
			require.NoError(w.t, os.Remove(w.in("secrets", ".gitignore")))
			w.succeeds("apply")
		},
		"a negation was added": func(w *tree) {
			w.write("!*\n", ".gitignore")
			w.write("!*\n", "secrets", ".gitignore")
			w.succeeds("apply")
		},
		"the memory is made anew by a reader": func(w *tree) {
			require.NoError(w.t, os.Remove(w.in("layer.seen")))
			require.NoError(w.t, os.Rename(w.in("layer.identity"), w.in("..", "layer.identity")))
			require.NoError(w.t, os.Remove(w.in(".gitignore")))
			w.succeeds("status", "--identity", w.in("..", "layer.identity"))
		},
		"the ledger is in another file": func(w *tree) {
			w.folder("sub")
			w.succeeds("ledger", "copy", "layer.secrets.age", "sub/l.age", "--identity", "layer.identity")
			require.NoError(w.t, os.Rename(w.in("layer.identity"), w.in("sub", "layer.identity")))
			w.succeeds("apply", "--ledger", "sub/l.age")
		},
		"a repository above": func(w *tree) {
			require.NoError(w.t, os.RemoveAll(w.in(".git")))
			require.NoError(w.t, os.Remove(w.in(".gitignore")))
			repository(w.t, w.in(".."))
			w.succeeds("apply")
			stagesNothingPrivate(w.t, w.in(".."), w.gitIn(".."))
			w.git = repository(w.t, w.top)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTree(t)
			w.succeeds("init", "--to", "dir:secrets", "--window", "1s", "--margin", "1s")
			w.succeeds("apply")
			change(w)
			identities, values := kept(t, filepath.Dir(w.top))
			require.Equal(t, 1, identities)
			require.NotZero(t, values)
			w.remains(w.top)
			stagesNothingPrivate(t, w.top, w.git)
		})
	}
}

// A ledger elsewhere has its memory, its lock and its identity in this folder,
// even if a colleague begins with a command that only reads.
func TestGitStagesNothingBesideLedgerElsewhere(t *testing.T) {
	t.Parallel()
	e := fakeS3(t, nil)
	place := e.place()
	w := newTree(t)
	w.env = append(e.environment(), "LAYER_LEDGER="+place)
	w.succeeds("init", "--to", "dir:"+w.in("deep", "secrets"))
	w.succeeds("apply")
	w.remains(w.top)
	require.FileExists(t, w.in("layer.seen.lock"))
	stagesNothingPrivate(t, w.top, w.git)

	colleague := newTree(t)
	key, err := os.ReadFile(w.in("layer.identity"))
	require.NoError(t, err)
	colleague.write(string(key), "..", "my.key")
	colleague.env = append(w.env, "LAYER_LEDGER="+place)
	layerIn(t, colleague.top, colleague.env, 0, "secret", "status", "--spec", w.in("spec.json"), "--identity", "../my.key")
	require.FileExists(t, colleague.in("layer.seen"))
	colleague.remains(colleague.top)
	stagesNothingPrivate(t, colleague.top, colleague.git)
}

// Programs read a folder of values that contains a .gitignore like any other
// folder.
func TestStoreReadsFolderWithGitignore(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	w.succeeds("init", "--to", "dir:secrets")
	w.succeeds("apply")
	require.FileExists(t, w.in("secrets", ".gitignore"))
	addr, err := secret.ParseAddress("$SECRET.auth.session-key")
	require.NoError(t, err)
	text, err := secret.Dir(w.in("secrets")).Get(t.Context(), addr)
	require.NoError(t, err)
	require.NotEmpty(t, text)
	w.succeeds("rotate", "--immediate")
	w.succeeds("target", "dir:other")
	w.succeeds("status")
}

// A move to a target that git would stage begins nothing.
func TestMoveToTrackedTargetIsRefused(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	w.succeeds("init", "--to", "dir:secrets")
	w.succeeds("apply")
	w.write("old", "other", "LAYERON_SECRET_AUTH_SESSION_KEY")
	w.gits("add", "-f", "other")
	require.NoError(t, os.RemoveAll(w.in("other")))
	r := w.run("target", "dir:other")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "other/LAYERON_SECRET_AUTH_SESSION_KEY is a value and git tracks it")
	require.NoDirExists(t, w.in("other"))
	stdout, _ := layerIn(t, w.top, nil, 0, "secret", "target")
	require.Equal(t, "dir:secrets\n", stdout)
}

// Without git, or if git finds no repository, the command continues and writes
// .gitignore anyway.
func TestGoesOnWithoutGit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before func(w *tree)
		env    []string
	}{
		"git is not installed":              {env: []string{"PATH=/nowhere"}},
		"macOS without its developer tools": {env: []string{"PATH=TOOLS"}},
		"no repository":                     {before: func(w *tree) { require.NoError(w.t, os.RemoveAll(w.in(".git"))) }},
		"a file .git that leads nowhere": {before: func(w *tree) {
			require.NoError(w.t, os.RemoveAll(w.in(".git")))
			w.write("gitdir: /nowhere/worktrees/x\n", ".git")
		}},
		"an empty folder .git": {before: func(w *tree) {
			require.NoError(w.t, os.RemoveAll(w.in(".git")))
			w.folder(".git")
		}},
		"a repository without a work tree": {before: func(w *tree) { w.gits("config", "core.bare", "true") }},
		"GIT_DIR that leads nowhere": {env: []string{"GIT_DIR=/nowhere/.git"},
			before: func(w *tree) { require.NoError(w.t, os.RemoveAll(w.in(".git"))) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTree(t)
			if tc.before != nil {
				tc.before(w)
			}
			w.folder("sub")
			w.folder("keys")
			if len(tc.env) > 0 && tc.env[0] == "PATH=TOOLS" {
				w.write("#!/bin/sh\necho 'xcode-select: note: No developer tools were found' >&2\nexit 1\n", "..", "tools", "git")
				require.NoError(t, os.Chmod(w.in("..", "tools", "git"), 0o700))
				tc.env = []string{"PATH=" + w.in("..", "tools")}
			}
			w.env = tc.env
			w.succeeds("init", "--to", "dir:secrets", "--ledger", "sub/l.age")
			w.succeeds("apply", "--ledger", "sub/l.age")
			text, err := os.ReadFile(w.in("sub", ".gitignore"))
			require.NoError(t, err)
			require.Equal(t, "layer.identity\nlayer.seen\nl.age.lock\n.layer-*.tmp\n", string(text))
			text, err = os.ReadFile(w.in("secrets", ".gitignore"))
			require.NoError(t, err)
			require.Equal(t, "*\n", string(text))
			require.NoError(t, os.RemoveAll(w.in(".git")))
			git := repository(t, w.top)
			stagesNothingPrivate(t, w.top, git)
		})
	}
}

// The environment names a repository whose work tree has no .git, as is usual
// for dotfiles in a bare repository.
func TestRepositoryOfTheEnvironmentIsAsked(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	require.NoError(t, os.Rename(w.in(".git"), w.in("..", "settings.git")))
	w.env = []string{"GIT_DIR=../settings.git", "GIT_WORK_TREE=."}
	in := func(args ...string) (string, error) {
		return w.git(append([]string{"--git-dir", "../settings.git", "--work-tree", "."}, args...)...)
	}
	w.folder("keys")
	w.succeeds("init", "--to", "dir:secrets", "--identity", "keys/my.key")
	w.succeeds("apply", "--identity", "keys/my.key")
	stagesNothingPrivate(t, w.top, in)
	mustGit(t, in, "add", "-f", "keys/my.key")
	r := w.run("apply", "--identity", "keys/my.key")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "keys/my.key is the identity and git tracks it")
}

// A repository that git cannot read stops the command.
func TestDamagedRepositoryIsRefused(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	w.gits("add", "spec.json")
	w.write("damaged", ".git", "index")
	r := w.run("init", "--to", "dir:secrets")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.stderr, "git cannot be asked about the repository "+w.top)
	require.NoFileExists(t, w.in("layer.identity"))
}

// git gets none of the credentials, and runs no program that the repository
// names.
func TestGitIsAskedWithoutCredentials(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	tools := filepath.Join(t.TempDir(), "bin")
	require.NoError(t, os.Mkdir(tools, 0o700))
	real, err := exec.LookPath("git")
	require.NoError(t, err)
	seen := filepath.Join(tools, "environment")
	require.NoError(t, os.WriteFile(filepath.Join(tools, "git"),
		[]byte("#!/bin/sh\nenv >> "+seen+"\nexec "+real+" \"$@\"\n"), 0o700))
	ran := filepath.Join(tools, "ran")
	require.NoError(t, os.WriteFile(filepath.Join(tools, "hook"), []byte("#!/bin/sh\n: > "+ran+"\n"), 0o700))
	w.gits("config", "core.fsmonitor", filepath.Join(tools, "hook"))
	w.env = []string{"PATH=" + tools + ":" + os.Getenv("PATH"), "CLOUDFLARE_API_TOKEN=madeup_token",
		"PGPASSWORD=madeup_password", "AWS_SECRET_ACCESS_KEY=madeup_key"}
	w.succeeds("init", "--to", "dir:secrets")
	w.succeeds("apply")
	text, err := os.ReadFile(seen)
	require.NoError(t, err)
	require.Contains(t, string(text), "GIT_CONFIG_NOSYSTEM=1")
	require.False(t, strings.Contains(string(text), "madeup_"), "git was given a credential")
	require.NoFileExists(t, ran)
}

// A repository of another user, as in a container, is checked too.
func TestRootAsksRepositoryOfAnotherUser(t *testing.T) {
	slow.Root(t)
	t.Parallel()
	w := newTree(t)
	w.write("!*\n", "keys", ".gitignore")
	require.NoError(t, exec.CommandContext(t.Context(), "chown", "-R", "61001:61001", w.top).Run())
	w.succeeds("init", "--to", "dir:secrets", "--identity", "keys/my.key")
	git := func(args ...string) (string, error) {
		return w.git(append([]string{"-c", "safe.directory=*"}, args...)...)
	}
	stagesNothingPrivate(t, w.top, git)
	for _, file := range []string{".gitignore", ".gitattributes"} {
		out, err := exec.CommandContext(t.Context(), "stat", "-c", "%u %a", w.in(file)).Output()
		require.NoError(t, err)
		require.Equal(t, "61001 644\n", string(out))
	}
}
