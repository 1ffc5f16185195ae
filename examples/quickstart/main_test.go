package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestOutputIsAsDocumented compares the program's output with output.txt. The
// clock of the bubble jumps. The overlap in testdata ends with 2098.
func TestOutputIsAsDocumented(t *testing.T) {
	want, err := os.ReadFile("output.txt")
	require.NoError(t, err)
	for _, year := range []int{2027, 2098} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)))
			require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), output(t))
		})
	}
}

func TestOutputFits80Columns(t *testing.T) {
	for line := range strings.Lines(output(t)) {
		require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), 80, line)
	}
}

func TestOutputHoldsNoValue(t *testing.T) {
	out := output(t)
	for _, value := range values(t) {
		require.NotEmpty(t, value)
		require.False(t, strings.Contains(out, value), "a value of %d characters is in the output", len(value))
	}
}

// TestNothingIsLeft: the directory that holds the values goes when the program
// does.
func TestNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, dir)
	}
	output(t)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestReadmeQuotes: the output that README.md quotes is a part of the real
// output.
func TestReadmeQuotes(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(strings.ReplaceAll(string(readme), "\r\n", "\n"), "```text\n")
	require.True(t, found)
	excerpt, _, found := strings.Cut(rest, "```\n")
	require.True(t, found)
	for quote := range strings.SplitSeq(excerpt, "…\n") {
		require.Contains(t, output(t), quote)
	}
}

func output(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, run(&b))
	return b.String()
}

// values returns all texts that must stay hidden: each version's text and
// bytes, and the members of the credentials.
func values(t *testing.T) (all []string) {
	t.Helper()
	entries, err := fs.ReadDir(files, "testdata")
	require.NoError(t, err)
	require.Len(t, entries, 4)
	for _, entry := range entries {
		content, err := fs.ReadFile(files, "testdata/"+entry.Name())
		require.NoError(t, err)
		doc, err := secret.Parse(strings.TrimSpace(string(content)))
		require.NoError(t, err)
		for v := range doc.All() {
			all = append(all, v.Text())
			var members map[string]string
			if json.Unmarshal([]byte(v.Text()), &members) == nil {
				for _, value := range members {
					all = append(all, value)
				}
			}
		}
	}
	keys := []*secret.Secret{declareSessionKey(secret.Dir("testdata")), declareEncryptionKey(secret.Dir("testdata"))}
	for _, key := range keys {
		doc, err := key.Load(t.Context())
		require.NoError(t, err)
		for v := range doc.All() {
			b, err := v.Bytes()
			require.NoError(t, err)
			all = append(all, string(b))
		}
	}
	return all
}
