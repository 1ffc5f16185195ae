package secretprom_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that imports package secretprom links only Prometheus's client and
// its dependencies: no HTTP server, and no package that only tests use.
func TestImportsPrometheusClientAlone(t *testing.T) {
	list := func(pkg string) []string {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
			"{{if not .Standard}}{{.ImportPath}}{{end}}", pkg).Output()
		require.NoError(t, err)
		return strings.Fields(string(out))
	}
	const module = "github.com/layeron-hq/secret"
	allowed := append(list("github.com/prometheus/client_golang/prometheus"), module, module+"/secretprom",
		module+"/internal/swap", module+"/internal/binding", module+"/internal/family", module+"/internal/sha256",
		module+"/internal/timeout")
	require.Subset(t, allowed, list("."))
	require.NotContains(t, allowed, "github.com/prometheus/client_golang/prometheus/promhttp")
}
