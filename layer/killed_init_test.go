package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/layer/ledger"
)

// A killed init leaves one of these sets of files. The next init continues, and
// the next commands remove the remaining files.
func TestInitGoesOnFromWhatKilledOneLeft(t *testing.T) {
	t.Parallel()
	write := func(text string, name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
	}
	identity := func(t *testing.T, dir string) {
		key, _, err := ledger.NewIdentity()
		require.NoError(t, err)
		require.NoError(t, ledger.WriteIdentity(filepath.Join(dir, "layer.identity"), key))
	}
	for name, left := range map[string][]func(t *testing.T, dir string){
		"nothing":                     nil,
		"an empty .gitignore":         {write("", ".gitignore")},
		"half a line of .gitignore":   {write("layer.iden", ".gitignore")},
		"a temporary .gitignore":      {write("layer.i", ".layer-.gitignore.0123456789abcdef.tmp")},
		"a temporary .gitattributes":  {write("x", ".layer-.gitattributes.0123456789abcdef.tmp")},
		"an empty temporary identity": {write("", ".layer-layer.identity.0123456789abcdef.tmp")},
		"a half temporary identity":   {write("# public key: age1", ".layer-layer.identity.0123456789abcdef.tmp")},
		"an identity":                 {identity},
		"an identity of two names": {identity, func(t *testing.T, dir string) {
			require.NoError(t, os.Link(filepath.Join(dir, "layer.identity"),
				filepath.Join(dir, ".layer-layer.identity.0123456789abcdef.tmp")))
		}},
		"an empty lock":      {identity, write("", "layer.secrets.age.lock")},
		"a half lock":        {identity, write("process 1", "layer.secrets.age.lock")},
		"a temporary ledger": {identity, write("-----BEGIN AGE", ".layer-layer.secrets.age.0123456789abcdef.tmp")},
		"a temporary memory": {identity, write("{", ".layer-layer.seen.0123456789abcdef.tmp")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			declare(t, dir, rotating)
			for _, leave := range left {
				leave(t, dir)
			}
			layerIn(t, dir, nil, 0, "secret", "init", "--to", "dir:secrets")
			layerIn(t, dir, nil, 0, "secret", "status", "--spec", "spec.json")
			require.Empty(t, temporaries(t, dir))
			layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
		})
	}
}

// The next command that reads removes the temporary files of a killed run. It
// need not be one that writes the same file.
func TestReadersRemoveWhatKilledRunLeft(t *testing.T) {
	t.Parallel()
	dir := folder(t, rotating)
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
	for _, args := range [][]string{{"status", "--spec", "spec.json"}, {"plan", "--spec", "spec.json"}, {"log"},
		{"reveal", "$SECRET.auth.session-key", "--yes", "--spec", "spec.json"}, {"run", "--spec", "spec.json", "--", "true"},
		{"ledger", "recipients"}} {
		for _, name := range []string{"layer.secrets.age", "layer.seen", "layer.identity", ".gitignore", ".gitattributes"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, aTemporary(name)), []byte("half"), 0o600))
		}
		looksAtTarget := args[0] == "status" || args[0] == "plan"
		if looksAtTarget {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "secrets", aTemporary("LAYERON_SECRET_AUTH_SESSION_KEY")),
				[]byte("half"), 0o600))
		}
		layerIn(t, dir, nil, 0, append([]string{"secret"}, args...)...)
		require.Empty(t, temporaries(t, dir), args[0])
	}
}

// temporaries returns the temporary files in a folder and its subfolders.
func temporaries(t *testing.T, dir string) (list []string) {
	t.Helper()
	for _, pattern := range []string{".layer-*.tmp", "*/.layer-*.tmp"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		list = append(list, found...)
	}
	return list
}

// init is killed at any moment. The identity is complete or missing, the next
// init makes the missing files, and every command works after it.
func TestKilledInitIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	slow.Test(t)
	measure := t.TempDir()
	began := time.Now()
	layerIn(t, measure, nil, 0, "secret", "init", "--to", "dir:secrets")
	whole := time.Since(began)
	hits, halfway := 0, 0
	for range 60 {
		dir := t.TempDir()
		declare(t, dir, rotating)
		cmd, _, _ := start(t, dir, nil, "secret", "init", "--to", "dir:secrets")
		kill := time.AfterFunc(rand.N(whole*3/2), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		if !cmd.ProcessState.Exited() {
			hits++
		}
		_, missing := os.Stat(filepath.Join(dir, "layer.identity"))
		if missing == nil {
			_, err := ledger.ReadIdentities(filepath.Join(dir, "layer.identity"))
			require.NoError(t, err, "the identity is whole")
		}
		_, noLedger := os.Stat(filepath.Join(dir, "layer.secrets.age"))
		if missing == nil && noLedger != nil {
			halfway++
		}
		r := runIn(t, dir, nil, "secret", "init", "--to", "dir:secrets")
		if noLedger == nil {
			require.Contains(t, r.stderr, "exists already and was not changed")
		} else {
			require.Zero(t, r.status, r.stderr)
		}
		layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
		layerIn(t, dir, nil, 0, "secret", "status", "--spec", "spec.json")
		require.Empty(t, temporaries(t, dir))
	}
	t.Logf("%d killed, %d between identity and ledger", hits, halfway)
	require.Greater(t, hits, 10, "the runs are killed at all")
}
