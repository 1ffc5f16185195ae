package keyring_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports: what signs and seals has nobody else's code in it.
func TestImports(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command")
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "github.com/layeron-hq/secret/keyring")
	for path := range strings.FieldsSeq(string(out)) {
		require.True(t, strings.HasPrefix(path, "github.com/layeron-hq/secret"), path)
	}
}
