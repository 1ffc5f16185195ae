package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
	"github.com/layeron-hq/secret/internal/wasm"
)

// client gives up after 30 seconds without an answer.
var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// harness is a Node process that runs Workers in workerd.
type harness struct {
	mu    sync.Mutex
	to    io.WriteCloser
	from  *bufio.Reader
	log   strings.Builder // the Workers' log
	names int
}

// installed skips a test unless every test was asked for. It fails the test if
// Node or its modules are missing.
func installed(t testing.TB) {
	t.Helper()
	slow.Test(t)
	_, err := exec.LookPath("node")
	require.NoError(t, err)
	_, err = os.Stat("node_modules/miniflare")
	require.NoError(t, err, "layer/e2e/run installs it")
}

// newHarness starts a harness.
func newHarness(t testing.TB) *harness {
	t.Helper()
	installed(t)
	node := exec.Command("node", "harness.mjs")
	node.Env = append(os.Environ(), "CLOUDFLARE_CF_FETCH_ENABLED=false", "WRANGLER_SEND_METRICS=false", "CI=1")
	node.Stderr = os.Stderr
	to, err := node.StdinPipe()
	require.NoError(t, err)
	from, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	t.Cleanup(func() {
		to.Close()
		node.Wait()
	})
	return &harness{to: to, from: bufio.NewReaderSize(from, 1<<20)}
}

// do sends a command to the harness and returns its answer.
func (h *harness) do(t testing.TB, command string, options map[string]any) string {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	options["command"] = command
	line, err := json.Marshal(options)
	require.NoError(t, err)
	_, err = h.to.Write(append(line, '\n'))
	require.NoError(t, err)
	for {
		line, err := h.from.ReadString('\n')
		require.NoError(t, err)
		text, isAnswer := strings.CutPrefix(line, "answer ")
		if !isAnswer {
			h.log.WriteString(line)
			continue
		}
		var answer struct{ Result, Error string }
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		require.Empty(t, answer.Error)
		return answer.Result
	}
}

// worker is a running Worker.
type worker struct {
	h    *harness
	name string
	url  string
}

// secrets are the bindings of all Workers here.
var secrets = map[string]string{
	"LAYERON_SECRET_AUTH_SESSION_KEY":       "session-key",
	"LAYERON_SECRET_STORAGE_ENCRYPTION_KEY": "encryption-key",
}

func (h *harness) start(t testing.TB, dir string, options map[string]any) *worker {
	t.Helper()
	h.mu.Lock()
	h.names++
	name := fmt.Sprint("worker-", h.names)
	h.mu.Unlock()
	all := map[string]any{"name": name, "dir": dir, "secrets": secrets}
	for k, v := range options {
		all[k] = v
	}
	return &worker{h: h, name: name, url: strings.TrimSuffix(h.do(t, "start", all), "/")}
}

func (w *worker) stop(t testing.TB) { w.h.do(t, "stop", map[string]any{"name": w.name}) }

func (w *worker) put(t testing.TB, binding, value string) {
	t.Helper()
	w.h.do(t, "put", map[string]any{"name": w.name, "binding": binding, "value": value})
}

func (w *worker) delete(t testing.TB, binding string) {
	t.Helper()
	w.h.do(t, "delete", map[string]any{"name": w.name, "binding": binding})
}

// get returns the answer to a request. An error is a failure of the connection.
func (w *worker) get(path string) (status int, body string, err error) {
	r, err := client.Get(w.url + path)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, string(b), err
}

// program writes the files of a Go Worker into a folder: the glue of the
// example or of this test, the toolchain's glue, and the program.
func program(t testing.TB, glue, pkg string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "build"), 0o700))
	copyFile(t, glue, filepath.Join(dir, "worker.mjs"))
	copyFile(t, wasm.Glue(t), filepath.Join(dir, "build", "wasm_exec.js"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "build", "worker.wasm"), built(t, pkg), 0o600))
	return dir
}

var builds = map[string][]byte{}

// built returns a package as a Worker. Several tests run the same one.
func built(t testing.TB, pkg string) []byte {
	t.Helper()
	if builds[pkg] == nil {
		data, err := os.ReadFile(wasm.Build(t, pkg))
		require.NoError(t, err)
		builds[pkg] = data
	}
	return builds[pkg]
}

const exampleGlue = "../../examples/worker/worker.mjs"

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o600))
}

// Wrangler accepts the example's configuration for a deployment.
func TestServerWranglerAcceptsTheExample(t *testing.T) {
	installed(t)
	wrangler, err := filepath.Abs("node_modules/.bin/wrangler")
	require.NoError(t, err)
	deploy := exec.Command(wrangler, "deploy", "--dry-run", "--outdir", t.TempDir())
	deploy.Dir = "../../examples/worker"
	deploy.Env = append(os.Environ(), "CLOUDFLARE_CF_FETCH_ENABLED=false", "WRANGLER_SEND_METRICS=false", "CI=1",
		"NO_COLOR=1", "XDG_CONFIG_HOME="+t.TempDir())
	out, err := deploy.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for binding, name := range secrets {
		require.Regexp(t, binding+` \([0-9a-f]+/`+name+`\) +Secrets Store Secret`, string(out))
	}
	require.NotContains(t, string(out), "WARNING")
}
