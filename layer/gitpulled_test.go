package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pulled is a tree with a ledger in use, whose memory or identity another person
// commits and this one pulls: git overwrites the file, since it is ignored.
func pulled(t *testing.T, file string, args ...string) *tree {
	t.Helper()
	w := newTree(t)
	w.folder("keys")
	w.succeeds(append([]string{"init", "--to", "dir:secrets"}, args...)...)
	w.succeeds(append([]string{"apply"}, args...)...)
	w.gits("add", "-A")
	w.gits("commit", "-qm", "begin")
	w.gits("clone", "-q", ".", "../other")
	other := w.gitAt(filepath.Join(w.top, "..", "other"))
	at := w.in("..", "other", file)
	require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o700))
	require.NoError(t, os.WriteFile(at, []byte("of another person"), 0o600))
	mustGit(t, other, "add", "-f", file)
	mustGit(t, other, "commit", "-qm", "more")
	w.gits("pull", "-q", "../other", "main")
	text, err := os.ReadFile(w.in(file))
	require.NoError(t, err)
	require.Equal(t, "of another person", string(text), "git overwrote it")
	return w
}

// Every command that opens the ledger refuses a memory and an identity that a pull
// has brought, before it reads them.
func TestPulledFileIsRefused(t *testing.T) {
	t.Parallel()
	address := "$SECRET.auth.session-key"
	commands := [][]string{{"status"}, {"run", "--", "true"}, {"reveal", address}, {"export"},
		{"import", "none.env"}, {"log"}, {"timeline"}, {"ledger", "id"},
		{"ledger", "recipients"},
		{"ledger", "copy", "layer.secrets.age", "copy.age"}, {"plan"}, {"apply"}, {"rotate"}, {"target"}, {"bindings"},
		{"set", address, "--value-env", "PATH"}, {"revoke", address, "v1"},
		{"remove", address, "-y"}, {"rename", address, "$SECRET.auth.other"}, {"rollback", address},
		{"target", "--remove", "dir:x"}, {"rotate", "--adopt-ledger", "--dry-run"}}
	for name, tc := range map[string]struct {
		file  string
		flags []string
		env   []string
		says  []string
	}{
		"memory": {"layer.seen", nil, nil, []string{"layer.seen is ", "and git tracks it", "git rm -f -- layer.seen`"}},
		"identity": {"layer.identity", nil, nil,
			[]string{"layer.identity is the identity and git tracks it", "git rm --cached -f -- layer.identity`", "compare it"}},
		"identity in a subfolder": {"keys/my.key", []string{"--identity", "keys/my.key"}, nil,
			[]string{"keys/my.key is the identity and git tracks it"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := pulled(t, tc.file, tc.flags...)
			w.env = tc.env
			before := everyFile(t, w.top)
			for _, command := range commands {
				args := append(append([]string{"secret", command[0]}, tc.flags...), "--spec", w.in("spec.json"))
				r := runIn(t, w.here, w.env, append(args, command[1:]...)...)
				require.Equal(t, 1, r.status, "%q: %s%s", command, r.stdout, r.stderr)
				for _, says := range tc.says {
					require.Contains(t, strings.ToLower(r.stderr), strings.ToLower(says), "%q", command)
				}
				require.NotContains(t, r.stderr, "of another person")
				require.Equal(t, before, everyFile(t, w.top), "%q", command)
			}
			r := runIn(t, w.here, w.env, append([]string{"__complete", "secret", "reveal"}, append(tc.flags, "")...)...)
			require.Zero(t, r.status)
			require.NotContains(t, r.stdout, "auth")
			require.NotContains(t, r.stderr, "git")
			require.Equal(t, before, everyFile(t, w.top))
		})
	}
}

// The way out of a memory that a pull has brought ends with the memory deleted, and
// the ledger is recognized by the identity again.
func TestPulledMemoryIsDeleted(t *testing.T) {
	t.Parallel()
	w := pulled(t, "layer.seen")
	r := w.run("status")
	require.Equal(t, 1, r.status)
	found := wayOut.FindStringSubmatch(r.stderr)
	require.NotNil(t, found, r.stderr)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", found[1]).CombinedOutput()
	require.NoError(t, err, "%s: %s", found[1], out)
	require.NoFileExists(t, w.in("layer.seen"))
	w.succeeds("status")
	w.succeeds("rotate", "--immediate")
	stagesNothingPrivate(t, w.top, w.git)
}

// The memory and the identity are found to be tracked wherever the repository is.
func TestTrackedFileIsFoundInEveryRepository(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		track func(w *tree)
		says  string
		flags []string
		env   []string
	}{
		"repository around another one": {track: func(w *tree) {
			require.NoError(w.t, os.Rename(w.in(".git"), w.in("..", "kept")))
			mustGit(w.t, repository(w.t, w.in("..")), "add", "-f", "top/layer.seen")
			require.NoError(w.t, os.Rename(w.in("..", "kept"), w.in(".git")))
		}, says: "top/layer.seen is"},
		"work tree in the folder above": {track: func(w *tree) {
			w.gits("config", "core.worktree", filepath.Dir(w.top))
			w.gits("add", "-f", "layer.identity")
		}, says: "layer.identity is"},
		"work tree of the environment": {track: func(w *tree) {
			require.NoError(w.t, os.Rename(w.in(".git"), w.in("..", "settings.git")))
			mustGit(w.t, w.git, "--git-dir", "../settings.git", "--work-tree", "..", "add", "-f", "layer.identity")
			w.env = []string{"GIT_DIR=../settings.git", "GIT_WORK_TREE=.."}
		}, says: "layer.identity is"},
		"name of another case": {track: func(w *tree) {
			w.gits("config", "core.ignoreCase", "false")
			w.write("x", "LAYER.seen")
			w.gits("add", "-f", "LAYER.seen")
			w.gits("config", "core.ignoreCase", "true")
		}, says: "LAYER.seen is"},
		"link of another person": {track: func(w *tree) {
			require.NoError(w.t, os.Rename(w.in("layer.identity"), w.in("..", "theirs")))
			require.NoError(w.t, os.Symlink("../theirs", w.in("layer.identity")))
			w.gits("add", "-f", "layer.identity")
		}, says: "layer.identity is"},
		"file behind a link": {track: func(w *tree) {
			require.NoError(w.t, os.Rename(w.in("layer.identity"), w.in("theirs")))
			require.NoError(w.t, os.Symlink("theirs", w.in("layer.identity")))
			w.gits("add", "-f", "theirs")
		}, says: "theirs is"},
		"link to the memory": {track: func(w *tree) {
			require.NoError(w.t, os.Rename(w.in("layer.seen"), w.in("..", "theirs")))
			require.NoError(w.t, os.Symlink("../theirs", w.in("layer.seen")))
			w.gits("add", "-f", "layer.seen")
		}, says: "layer.seen is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTree(t)
			w.succeeds("init", "--to", "dir:secrets")
			w.succeeds("apply")
			tc.track(w)
			for _, command := range []string{"status", "apply"} {
				r := w.run(command)
				require.Equal(t, 1, r.status, r.stdout)
				require.Contains(t, r.stderr, tc.says)
				require.Contains(t, r.stderr, "git tracks it")
			}
		})
	}
}

// A name of another case is another file where git takes them for two, and a folder
// of the same name is no memory.
func TestOtherTrackedFilesAreNoReason(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	w.succeeds("init", "--to", "dir:secrets")
	w.gits("config", "core.ignoreCase", "false")
	w.write("x", "LAYER.seen")
	w.write("x", "sub", "layer.seen")
	w.gits("add", "-f", "LAYER.seen", "sub/layer.seen")
	w.succeeds("apply")
	w.succeeds("status")
}

// With the key in the environment no file of the identity is read, so one that git
// tracks is no reason to refuse.
func TestTrackedIdentityThatIsNotReadIsNoReason(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	w.succeeds("init", "--to", "dir:secrets")
	w.succeeds("apply")
	key, err := os.ReadFile(w.in("layer.identity"))
	require.NoError(t, err)
	w.gits("add", "-f", "layer.identity")
	w.env = []string{"LAYER_IDENTITY=" + string(key)}
	w.succeeds("status")
}
