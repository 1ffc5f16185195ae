package secret_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports: a Worker pays for each package that this one brings along. It has the standard library alone, without the
// parts that would double a program's size.
func TestImports(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command")
	}
	for _, target := range []string{"linux/amd64", "windows/amd64", "js/wasm"} {
		t.Run(target, func(t *testing.T) {
			system, machine, _ := strings.Cut(target, "/")
			list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.Standard}} {{.ImportPath}}", ".")
			list.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+machine, "CGO_ENABLED=0")
			out, err := list.Output()
			require.NoError(t, err)
			own, standard := []string{}, []string{}
			for line := range strings.Lines(string(out)) {
				if path, ok := strings.CutPrefix(strings.TrimSpace(line), "true "); ok {
					standard = append(standard, path)
				} else {
					own = append(own, strings.TrimSpace(line))
				}
			}
			require.Contains(t, standard, "context", "the list is of what is imported")
			for _, path := range own {
				require.True(t, strings.HasPrefix(path, "false github.com/layeron-hq/secret"), path)
			}
			for _, heavy := range []string{"net", "net/http", "expvar", "crypto/tls", "html/template", "os/exec", "testing"} {
				require.NotContains(t, standard, heavy)
			}
		})
	}
}
