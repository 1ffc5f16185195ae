package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A ledger that is refused changes no file, not even .gitignore.
func TestRefusedLedgerChangesNoFile(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	w.succeeds("init", "--to", "dir:secrets")
	w.succeeds("apply")
	require.NoError(t, os.Remove(w.in("layer.seen")))
	require.NoError(t, os.Remove(w.in(".gitignore")))
	key := w.in("..", "k")
	require.NoError(t, os.Rename(w.in("layer.identity"), key))
	before := everyFile(t, w.top)
	pin := []string{"--identity", key, "--ledger-id", strings.Repeat("0", 32)}
	for _, command := range [][]string{{"status"}, {"apply"}, {"run", "--", "true"}, {"log"}, {"ledger", "id"},
		{"ledger", "recipients"}, {"rotate", "--adopt-ledger", "-y"},
		{"ledger", "copy", "layer.secrets.age", "copy.age"}} {
		args := append(append([]string{"secret", command[0]}, pin...), "--spec", w.in("spec.json"))
		r := runIn(t, w.here, w.env, append(args, command[1:]...)...)
		require.Equal(t, 1, r.status, "%q: %s%s", command, r.stdout, r.stderr)
		require.Contains(t, r.stderr, "is required")
		require.Equal(t, before, everyFile(t, w.top), "%q", command)
	}
	r := runIn(t, w.here, w.env, "__complete", "secret", "reveal", "--identity", key, "")
	require.Zero(t, r.status)
	require.Contains(t, r.stdout, "auth.session-key", "the ledger is good")
	require.Equal(t, before, everyFile(t, w.top), "completion changes no file of a good ledger either")
	w.succeeds("status", "--identity", key)
	require.FileExists(t, w.in("layer.seen"))
	stagesNothingPrivate(t, w.top, w.git)
}

// An adopted ledger is remembered at once: .gitignore has the memory's name before.
func TestMemoryOfAdoptedLedgerIsKeptOut(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	w.succeeds("init", "--to", "dir:secrets")
	w.succeeds("apply")
	require.NoError(t, os.Remove(w.in("layer.seen")))
	require.NoError(t, os.Rename(w.in("layer.identity"), w.in("..", "k")))
	require.NoError(t, os.Remove(w.in(".gitignore")))
	tools := filepath.Join(t.TempDir(), "bin")
	require.NoError(t, os.Mkdir(tools, 0o700))
	real, err := exec.LookPath("git")
	require.NoError(t, err)
	script := "#!/bin/sh\n[ -e " + w.in("layer.seen") + " ] || echo \"$@\" >> " + tools + "/before\nexec " + real +
		" \"$@\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(tools, "git"), []byte(script), 0o700))
	w.env = []string{"PATH=" + tools + ":" + os.Getenv("PATH")}
	w.succeeds("rotate", "--adopt-ledger", "-y", "--identity", "../k")
	require.FileExists(t, w.in("layer.seen"))
	asked, err := os.ReadFile(filepath.Join(tools, "before"))
	require.NoError(t, err)
	require.Contains(t, string(asked), "check-ignore", "git is asked before the memory is there")
	stagesNothingPrivate(t, w.top, w.git)
}

// everyFile returns the texts of the files below a folder, but git's own.
func everyFile(t *testing.T, base string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	require.NoError(t, filepath.WalkDir(base, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return filepath.SkipDir
		case d.IsDir():
			return nil
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	}))
	return texts
}
