package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/wasm"
)

// container replaces Cloudflare's: it starts the program with the given
// environment, and forwards requests.
type container struct {
	t       *testing.T
	program string

	mu      sync.Mutex
	starts  int
	process *exec.Cmd
	ended   chan struct{}
	proxy   http.Handler
}

func (c *container) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	ended, proxy := c.ended, c.proxy
	c.mu.Unlock()
	switch {
	case r.Method == "POST" && r.URL.Path == "/start":
		c.start(r)
	case r.Method == "POST" && r.URL.Path == "/wait":
		<-ended
	case proxy == nil || r.Header.Get("layeron-port") != "8080":
		w.WriteHeader(http.StatusBadGateway)
	default:
		proxy.ServeHTTP(w, r)
	}
}

func (c *container) start(r *http.Request) {
	var env map[string]string
	if !assert.NoError(c.t, json.NewDecoder(r.Body).Decode(&env)) {
		return
	}
	process := exec.Command(c.program, "-addr", "127.0.0.1:0")
	process.Env = []string{}
	for name, value := range env {
		process.Env = append(process.Env, name+"="+value)
	}
	out, err := process.StdoutPipe()
	if !assert.NoError(c.t, err) || !assert.NoError(c.t, process.Start()) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starts++
	c.process, c.ended = process, make(chan struct{})
	ended := c.ended
	line, _ := bufio.NewReader(out).ReadString('\n')
	c.proxy = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http",
		Host: strings.TrimSpace(strings.TrimPrefix(line, "listening on "))})
	go func() {
		process.Wait()
		c.mu.Lock()
		c.proxy = nil
		c.mu.Unlock()
		close(ended)
	}()
}

// stop ends the process, as Cloudflare does with a replaced Container.
func (c *container) stop() {
	c.mu.Lock()
	process, ended := c.process, c.ended
	c.mu.Unlock()
	if process != nil {
		process.Process.Kill()
		<-ended
	}
}

// The Worker half of examples/container runs in workerd. Its service runs as a
// process.
func TestServerContainerBehindAWorker(t *testing.T) {
	installed(t)
	program := filepath.Join(t.TempDir(), "service")
	out, err := exec.Command("go", "build", "-o", program, wasm.Module+"/examples/container").CombinedOutput()
	require.NoError(t, err, "%s", out)
	c := &container{t: t, program: program}
	outside := httptest.NewServer(c)
	t.Cleanup(outside.Close)
	t.Cleanup(c.stop)

	dir := t.TempDir()
	copyFile(t, "container.mjs", filepath.Join(dir, "worker.mjs"))
	copyFile(t, "../../examples/container/worker.mjs", filepath.Join(dir, "service.mjs"))
	w := newHarness(t).start(t, dir, map[string]any{
		"durableObjects": map[string]any{"SERVICE": map[string]any{"className": "Service", "useSQLite": true}},
		"service":        strings.TrimPrefix(outside.URL, "http://"),
	})
	status, body := w.ask(t, "/session?token=x")
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.Zero(t, c.starts, "there is no secret to start it with")

	first, second := newKey(), newKey()
	v1 := secret.NewVersion("v1", first, time.Time{}, time.Time{})
	v2 := secret.NewVersion("v2", second, time.Time{}, time.Time{})
	w.put(t, sessionKey, document(t, "v1", v1))
	require.Equal(t, "ann, signed by v1", w.signedBy(t, forge(t, first, "v1")))
	require.Equal(t, "log in first", w.signedBy(t, forge(t, second, "v1")))

	w.put(t, sessionKey, document(t, "v2", v1, v2))
	require.Equal(t, "log in first", w.signedBy(t, forge(t, second, "v2")), "the process keeps the values of its start")
	require.Equal(t, 1, c.starts)
	c.stop()
	require.Eventually(t, func() bool {
		_, body, err := w.get("/session?token=" + forge(t, second, "v2"))
		return err == nil && body == "ann, signed by v2\n"
	}, 20*time.Second, 10*time.Millisecond, "a new process has the stored value")
	require.Equal(t, "ann, signed by v1", w.signedBy(t, forge(t, first, "v1")))
	require.Equal(t, 2, c.starts)
}
