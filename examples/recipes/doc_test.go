package recipes

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	region = regexp.MustCompile(`(?ms)^// recipe: (\S+)\n(.*?)^// end\n`)
	block  = regexp.MustCompile("(?ms)^(?:<!-- recipe: (\\S+) -->\n)?```go\n(.*?)^```\n")
)

// recipesOf returns the code by its recipe's name. It fails where a recipe has
// no name or two recipes share one.
func recipesOf(t *testing.T, into map[string]string, text string, form *regexp.Regexp) {
	t.Helper()
	for _, match := range form.FindAllStringSubmatch(text, -1) {
		name, code := match[1], strings.TrimSpace(match[2])
		require.NotEmpty(t, name, "the recipe without a name is\n%s", code)
		require.NotContains(t, into, name)
		into[name] = code
	}
}

// read returns a file with the line ends of Unix.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// TestPageShowsTheTestedCode compares docs/recipes.md with the files.
func TestPageShowsTheTestedCode(t *testing.T) {
	page := read(t, "../../docs/recipes.md")
	shown, tested := map[string]string{}, map[string]string{}
	recipesOf(t, shown, page, block)
	require.Equal(t, strings.Count(page, "```go"), len(shown))

	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text := read(t, file)
		before := len(tested)
		recipesOf(t, tested, text, region)
		require.Equal(t, strings.Count(text, "\n// recipe: "), len(tested)-before, "%s: a recipe without an end", file)
		if len(tested) > before {
			require.Contains(t, page, "(../examples/recipes/"+file+")")
		}
	}
	require.Equal(t, tested, shown)
}

// TestPageNamesTheBindings compares the names in the manifest with the program
// that reads them.
func TestPageNamesTheBindings(t *testing.T) {
	page := read(t, "../../docs/recipes.md")
	manifest := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```\n").FindStringSubmatch(page)
	require.NotNil(t, manifest)
	require.NotContains(t, manifest[1], "subPath:")
	require.Contains(t, page, "--from-file=secrets/"+stripeKey.Binding())
}
