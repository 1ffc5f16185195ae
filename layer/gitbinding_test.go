package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A declared binding name follows no pattern: each has its own line in a folder
// with other files, also the name that a value had before its declaration
// changed, and also if the repository is made later.
func TestGitStagesNoValueUnderADeclaredBinding(t *testing.T) {
	t.Parallel()
	const first = `{"secrets": [{"kind": "random", "namespace": "auth", "name": "db", "binding": "db_password"},
		{"kind": "random", "namespace": "auth", "name": "tls", "binding": "tls.crt"},
		{"kind": "random", "namespace": "auth", "name": "key"}]}`
	second := strings.Replace(first, "db_password", "DATABASE_URL", 1)
	for name, tc := range map[string]struct {
		to    string
		later bool // the repository is made after apply
	}{
		"dir:.":                   {to: "dir:."},
		"dir:., later":            {to: "dir:.", later: true},
		"with other files":        {to: "dir:TOP/conf"},
		"with other files, later": {to: "dir:TOP/conf", later: true},
		"a folder of its own":     {to: "dir:secrets"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTree(t)
			w.write("theirs", "conf", "app.conf")
			if tc.later {
				require.NoError(t, os.RemoveAll(w.in(".git")))
			}
			w.write(first, "spec.json")
			to := strings.Replace(tc.to, "TOP", w.top, 1)
			w.succeeds("init", "--to", to)
			w.succeeds("apply")
			w.write(second, "spec.json")
			w.succeeds("rename", "$SECRET.auth.db", "$SECRET.auth.db")
			w.succeeds("apply")
			if tc.later {
				w.git = repository(t, w.top)
			}
			folder := strings.TrimPrefix(to, "dir:")
			if !filepath.IsAbs(folder) {
				folder = w.in(folder)
			}
			for _, file := range []string{"db_password", "DATABASE_URL", "tls.crt", "LAYERON_SECRET_AUTH_KEY"} {
				for _, file := range []string{file, "." + file + ".note"} {
					require.FileExists(t, filepath.Join(folder, file))
				}
			}
			w.gits("add", "-A")
			for file := range strings.SplitSeq(w.gits("ls-files"), "\n") {
				require.NotRegexp(t, `db_password|DATABASE_URL|tls\.crt|LAYERON`, file)
			}
			require.Contains(t, w.gits("ls-files"), "app.conf", "nothing else is ignored")

			if ignored, err := os.ReadFile(filepath.Join(folder, ".gitignore")); err == nil {
				lines := strings.Fields(string(ignored))
				slices.Sort(lines)
				require.Len(t, slices.Compact(slices.Clone(lines)), len(lines), "each line is there once: %s", lines)
			}

			// A file that git tracks is never replaced by a value.
			w.write(strings.Replace(second, `"tls.crt"`, `"app.conf"`, 1), "spec.json")
			if tc.to == "dir:TOP/conf" && !tc.later {
				r := w.run("apply")
				require.NotZero(t, r.status)
				require.Contains(t, r.stderr, "app.conf")
				text, err := os.ReadFile(filepath.Join(folder, "app.conf"))
				require.NoError(t, err)
				require.Equal(t, "theirs", string(text))
			}
		})
	}
}

// A value that git tracks stops an import before the ledger is changed. doctor
// finds it also if its secret is no longer declared.
func TestATrackedValueUnderADeclaredBindingIsFound(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	w.write(`{"secrets": [{"kind": "static", "namespace": "app", "name": "db", "binding": "DATABASE_URL"},
		{"kind": "static", "namespace": "app", "name": "other"}]}`, "spec.json")
	w.write("DATABASE_URL=made_up", "new.env")
	w.write("theirs", "DATABASE_URL")
	w.gits("add", "DATABASE_URL")
	require.NoError(t, os.Remove(w.in("DATABASE_URL")))
	w.succeeds("init", "--to", "dir:.")
	r := w.run("import", "new.env", "--yes")
	require.NotZero(t, r.status)
	require.Contains(t, r.stderr, "DATABASE_URL is a value and git tracks it")
	require.NotContains(t, w.run("log").stdout, "$SECRET.app.db", "the ledger is as before")

	w.gits("rm", "--cached", "-f", "DATABASE_URL")
	w.succeeds("import", "new.env", "--yes")
	w.write(`{"secrets": [{"kind": "static", "namespace": "app", "name": "other"}]}`, "spec.json")
	w.gits("add", "-f", "DATABASE_URL")
	r = w.run("doctor")
	require.NotZero(t, r.status)
	require.Contains(t, r.stdout, "DATABASE_URL is a value and git tracks it")
}
