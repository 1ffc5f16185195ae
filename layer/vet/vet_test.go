package vet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
	"golang.org/x/tools/txtar"

	"github.com/layeron-hq/secret/internal/slow"
)

// unpack writes an archive into a folder of its own, and replaces LIBRARY by
// the path of this library.
func unpack(t *testing.T, file string) string {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	require.NoError(t, err)
	library, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	for _, f := range archive.Files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(strings.ReplaceAll(string(f.Data), "LIBRARY", library)), 0o644))
	}
	t.Setenv("GOFLAGS", "")
	return dir
}

// diagnostics returns the findings in all packages.
func diagnostics(results []*analysistest.Result) (list []analysis.Diagnostic) {
	for _, r := range results {
		list = append(list, r.Diagnostics...)
	}
	return list
}

// Every check reports the wrong uses, and not the right ones beside them.
func TestChecksReportWrongUsesAlone(t *testing.T) {
	list := diagnostics(analysistest.Run(t, unpack(t, "testdata/checks.txtar"), Analyzer, "./..."))
	seen := map[string]int{}
	for _, d := range list {
		seen[d.Category]++
		require.NotContains(t, d.Message, "HUSH", "a text of the program")
	}
	for _, check := range []string{"declaration", "readonce", "dropped", "equal", "shown", "current"} {
		require.Positive(t, seen[check], check)
	}
}

func TestCorrectProgramsHaveNoFinding(t *testing.T) {
	slow.Test(t)
	results := analysistest.Run(t, unpack(t, "testdata/programs.txtar"), Analyzer, "./...")
	require.Len(t, results, 5)
	require.Empty(t, diagnostics(results))
}
