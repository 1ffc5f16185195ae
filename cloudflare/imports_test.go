package cloudflare_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports: cloudflare-go's root package costs three minutes of building and 18 MB, and the fake is for tests alone.
func TestImports(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command")
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	allowed := map[string]bool{
		"accounts": true, "option": true, "secrets_store": true, "shared": true, "packages/pagination": true,
	}
	services := 0
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSpace(path)
		require.NotEqual(t, "testing", path)
		require.NotContains(t, path, "cloudflarefake")
		if rest, ok := strings.CutPrefix(path, "github.com/cloudflare/cloudflare-go/v7"); ok {
			rest = strings.TrimPrefix(rest, "/")
			require.NotEmpty(t, rest, "the root package")
			require.True(t, allowed[rest] || strings.HasPrefix(rest, "internal/") || rest == "internal", path)
			services++
		}
	}
	require.Positive(t, services, "the list is of what is imported")
}
