//go:build unix

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

// An operator sets up, applies, prints the bindings and rotates. The example
// Worker runs in workerd on the published values, bound as printed, and
// wrangler accepts the bindings.
func TestServerLayerPublishesForAWorker(t *testing.T) {
	installed(t)
	fake := cloudflarefake.New(cloudflarefake.Options{})
	base := fake.Start(t)
	dir := t.TempDir()
	layer := filepath.Join(dir, "layer")
	build, err := exec.Command("go", "build", "-o", layer, "..").CombinedOutput()
	require.NoError(t, err, "%s", build)
	run := func(where string, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(layer, append([]string{"secret"}, args...)...)
		cmd.Dir = where
		// A Worker's declarations are in files that are built only for js/wasm.
		cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CLOUDFLARE_API_BASE_URL="+base,
			"CLOUDFLARE_ACCOUNT_ID="+cloudflarefake.Account, "CLOUDFLARE_API_TOKEN="+cloudflarefake.Token)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, "layer secret %s: %s%s", strings.Join(args, " "), out, stderr.String())
		return out
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "spec.json"), run("../../examples/worker", "spec"), 0o600))
	run(dir, "init", "--to", "cloudflare", "--project", "shop")
	run(dir, "apply", "--spec", "spec.json")
	block := run(dir, "bindings", "--spec", "spec.json")

	var config struct {
		Bindings []struct {
			Binding    string `json:"binding"`
			StoreID    string `json:"store_id"`
			SecretName string `json:"secret_name"`
		} `json:"secrets_store_secrets"`
	}
	require.NoError(t, json.Unmarshal(block, &config))
	require.Len(t, config.Bindings, len(secrets))
	names := map[string]string{}
	for _, b := range config.Bindings {
		require.Equal(t, fake.StoreID(), b.StoreID)
		names[b.Binding] = b.SecretName
	}
	w := newHarness(t).start(t, program(t, exampleGlue, "examples/worker"), map[string]any{"secrets": names})
	publish := func() {
		for binding, name := range names {
			value, ok := fake.Value(name)
			require.True(t, ok)
			w.put(t, binding, value)
		}
	}
	publish()
	old := w.login(t)
	require.Equal(t, "ann, signed by v1", w.signedBy(t, old))
	run(dir, "rotate", "--now", "--spec", "spec.json")
	publish()
	require.Equal(t, "ann, signed by v1", w.signedBy(t, w.login(t)))
	run(dir, "rotate", "--immediate", "--spec", "spec.json")
	publish()
	require.Equal(t, "ann, signed by v1", w.signedBy(t, old))
	require.Equal(t, "ann, signed by v2", w.signedBy(t, w.login(t)))

	wrangler, err := filepath.Abs("node_modules/.bin/wrangler")
	require.NoError(t, err)
	site := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(site, "worker.mjs"),
		[]byte("export default { fetch() { return new Response() } }"), 0o600))
	wranglerConfig := `{"name": "w", "main": "worker.mjs", "compatibility_date": "2026-04-01",` +
		strings.TrimPrefix(strings.TrimSpace(string(block)), "{")
	require.NoError(t, os.WriteFile(filepath.Join(site, "wrangler.jsonc"), []byte(wranglerConfig), 0o600))
	deploy := exec.Command(wrangler, "deploy", "--dry-run", "--outdir", t.TempDir())
	deploy.Dir = site
	deploy.Env = append(os.Environ(), "CLOUDFLARE_CF_FETCH_ENABLED=false", "WRANGLER_SEND_METRICS=false", "CI=1",
		"NO_COLOR=1", "XDG_CONFIG_HOME="+t.TempDir())
	out, err := deploy.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for binding, name := range names {
		require.Regexp(t, binding+` \(`+fake.StoreID()+`/`+name+`\) +Secrets Store Secret`, string(out))
	}
}
