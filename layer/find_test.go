package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A ledger or an identity in a folder above that belongs to neither this user nor root
// is refused before it is read. A file that is named is not.
func TestRootFilesOfOthersAboveAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		who     int
		prepare func(dir string)
		refused string
	}{
		"all mine": {alice, func(string) {}, ""},
		"root uses its own": {0, func(dir string) {
			for _, name := range []string{"", "layer.secrets.age", "layer.identity"} {
				require.NoError(t, os.Chown(filepath.Join(dir, name), 0, 0))
			}
		}, ""},
		"the folder and the ledger are root's": {alice, func(dir string) {
			require.NoError(t, os.Chown(dir, 0, alice))
			require.NoError(t, os.Chmod(dir, 0o775))
			require.NoError(t, os.Chown(filepath.Join(dir, "layer.secrets.age"), 0, 0))
			require.NoError(t, os.Chmod(filepath.Join(dir, "layer.secrets.age"), 0o644))
		}, ""},
		"another's ledger": {alice, func(dir string) {
			require.NoError(t, os.Chown(filepath.Join(dir, "layer.secrets.age"), bob, bob))
		}, "the ledger was found in a folder above, and ../../layer.secrets.age belongs to the user with the number 61002"},
		"another's identity": {alice, func(dir string) {
			require.NoError(t, os.Chown(filepath.Join(dir, "layer.identity"), bob, bob))
		}, "the identity was found in a folder above, and ../../layer.identity belongs to the user with the number 61002"},
		"another's folder": {alice, func(dir string) {
			require.NoError(t, os.Chown(dir, bob, alice))
		}, "and ../.. belongs to the user with the number 61002"},
		"another's link to my ledger": {alice, func(dir string) {
			ledger := filepath.Join(dir, "layer.secrets.age")
			require.NoError(t, os.Rename(ledger, filepath.Join(dir, "mine")))
			require.NoError(t, os.Symlink("mine", ledger))
			require.NoError(t, os.Lchown(ledger, bob, bob))
		}, "belongs to the user with the number 61002"},
		"another's files, and I am root": {0, func(string) {}, "belongs to the user with the number 61001"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newHousehold(t, alice, alice, 0o755)
			p.succeeds(alice, alice, "init", "--to", "dir:secrets")
			p.succeeds(alice, alice, "apply", "--spec", "spec.json")
			test.prepare(p.dir)
			sub := filepath.Join(p.dir, "cmd", "server")
			require.NoError(t, os.MkdirAll(sub, 0o755))
			above := p
			above.dir = sub
			r := above.as(test.who, test.who, nil, "log")
			if test.refused == "" {
				require.Zero(t, r.status, r.stderr)
				return
			}
			require.Equal(t, 1, r.status)
			require.Contains(t, r.stderr, test.refused)
			require.Contains(t, r.stderr, "name it: --")
			require.Empty(t, r.stdout)
			if name != "another's identity" {
				require.NotContains(t, above.as(test.who, test.who, nil, "log", "--ledger", "../../layer.secrets.age").stderr,
					"belongs to the user")
			}
			require.NotContains(t, p.as(test.who, test.who, nil, "log").stderr, "belongs to the user", "the current folder")
		})
	}
}

// Without --spec, the packages are those below the folder of the ledger. A program that
// run starts stays in the current folder.
func TestPackagesStartAtTheLedger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	library, err := filepath.Abs("..")
	require.NoError(t, err)
	sub := filepath.Join(dir, "internal", "deep")
	require.NoError(t, os.MkdirAll(sub, 0o755))
	for name, text := range map[string]string{
		"go.mod": "module example.com/shop\n\ngo 1.26\n\nrequire github.com/layeron-hq/secret v0.1.0\n\n" +
			"replace github.com/layeron-hq/secret => " + library + "\n",
		"main.go": "package main\n\nimport \"github.com/layeron-hq/secret\"\n\n" +
			"var key = secret.Random(secret.Options{Namespace: \"auth\", Name: \"key\", Bytes: 32})\n\n" +
			"func main() { _ = key }\n",
		"internal/deep/deep.go": "package deep\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	env := []string{"GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off"}
	layerIn(t, dir, env, 0, "secret", "init", "--to", "dir:secrets")
	stdout, _ := layerIn(t, sub, env, 0, "secret", "apply")
	require.Contains(t, stdout, "auth.key")
	require.FileExists(t, filepath.Join(dir, "secrets", "LAYERON_SECRET_AUTH_KEY"))
	stdout, _ = layerIn(t, sub, env, 0, "secret", "spec")
	require.Contains(t, stdout, "auth.key")
	stdout, _ = layerIn(t, sub, env, 0, "secret", "spec", "./...")
	require.NotContains(t, stdout, "auth.key", "a pattern that is typed starts here")
	cmd, out, stderr := start(t, sub, env, "secret", "run", "--", "pwd", "-P")
	require.NoError(t, cmd.Wait(), stderr.String())
	real, err := filepath.EvalSymlinks(sub)
	require.NoError(t, err)
	require.Equal(t, real+"\n", out.String())
}
