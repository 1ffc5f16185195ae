package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSecurityLinesNameTheirTests checks that each line about an attacker's
// abilities names existing tests or scripts.
func TestSecurityLinesNameTheirTests(t *testing.T) {
	known := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".txtar"):
			known[d.Name()] = true
		case strings.HasSuffix(path, "_test.go"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range function.FindAllStringSubmatch(string(text), -1) {
				known[m[1]] = true
			}
		}
		return nil
	}))
	text, err := os.ReadFile("../SECURITY.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## What an attacker can and cannot do\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	lines := strings.Split(section, "\n- ")[1:]
	require.Greater(t, len(lines), 20)
	evidence := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+|[a-z_]+\\.txtar)`")
	for _, line := range lines {
		names := evidence.FindAllStringSubmatch(line, -1)
		require.NotEmpty(t, names, "no test shows: %s", line)
		for _, m := range names {
			require.True(t, known[m[1]], "there is no %s", m[1])
		}
	}
}
