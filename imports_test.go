package secret_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The reading side has the standard library alone. A Worker pays for each
// package that package secret brings along, so it does without those that would
// double a program's size.
func TestReadingSideImportsTheStandardLibraryAlone(t *testing.T) {
	const own = "github.com/layeron-hq/secret"
	heavy := []string{"net", "net/http", "expvar", "crypto/tls", "html/template", "os/exec", "testing"}
	for _, tc := range []struct {
		pkg, target string
		own         []string // packages of this module that it may import
		never       []string
	}{
		{".", "linux/amd64", []string{"/internal/swap", "/internal/binding", "/internal/family", "/internal/sha256",
			"/internal/timeout"}, heavy},
		{".", "windows/amd64", []string{"/internal/swap", "/internal/binding", "/internal/family", "/internal/sha256",
			"/internal/timeout"}, heavy},
		{".", "js/wasm", []string{"/internal/binding", "/internal/family", "/internal/sha256", "/internal/timeout"}, heavy},
		{"./driver", "linux/amd64", nil, heavy},
		{"./timeline", "linux/amd64", nil, heavy},
		{"./keyring", "linux/amd64", []string{"", "/internal/swap", "/internal/binding", "/internal/family",
			"/internal/sha256", "/internal/timeout"}, heavy},
		{"./workers", "js/wasm", []string{"", "/internal/binding", "/internal/family", "/internal/sha256",
			"/internal/timeout"}, heavy},
		{"./statushttp", "linux/amd64", []string{"", "/internal/swap", "/internal/binding", "/internal/family",
			"/internal/sha256", "/timeline", "/internal/timeout"}, nil},
	} {
		t.Run(tc.pkg+" "+tc.target, func(t *testing.T) {
			system, machine, _ := strings.Cut(tc.target, "/")
			list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.Standard}} {{.ImportPath}}", tc.pkg)
			list.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+machine, "CGO_ENABLED=0")
			out, err := list.Output()
			require.NoError(t, err)
			var ours, standard []string
			for line := range strings.Lines(string(out)) {
				if path, ok := strings.CutPrefix(strings.TrimSpace(line), "true "); ok {
					standard = append(standard, path)
				} else {
					ours = append(ours, strings.TrimPrefix(strings.TrimSpace(line), "false "))
				}
			}
			require.Contains(t, standard, "time", "the list is of what is imported")
			allowed := []string{own + strings.TrimPrefix(tc.pkg, ".")}
			for _, path := range tc.own {
				allowed = append(allowed, own+path)
			}
			require.Subset(t, allowed, ours)
			for _, path := range tc.never {
				require.NotContains(t, standard, path)
			}
		})
	}
}
