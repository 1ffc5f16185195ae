package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestServerSharedInstance checks that one Go instance answers all requests.
func TestServerSharedInstance(t *testing.T) {
	w := newHarness(t).start(t, program(t, "shared.mjs", "workers/internal/shared"), nil)
	_, body := w.ask(t, "/read?n=1")
	require.Contains(t, body, `not found: Worker binding LAYERON_SECRET_AUTH_SESSION_KEY: Secret "session-key" not found`)

	t.Run("reads", func(t *testing.T) {
		w.put(t, sessionKey, "value 0")
		var mu sync.Mutex
		begun, stored := 0, 0
		var clients sync.WaitGroup
		for range 16 {
			clients.Go(func() {
				for range 25 {
					mu.Lock()
					from := stored
					mu.Unlock()
					_, body, err := w.get("/read?n=3")
					mu.Lock()
					to := begun
					mu.Unlock()
					n, err2 := strconv.Atoi(strings.TrimPrefix(body, "value "))
					if err != nil || err2 != nil || n < from || n > to {
						t.Errorf("%q, %v: want value %d to %d", body, err, from, to)
						return
					}
				}
			})
		}
		for i := range 30 {
			mu.Lock()
			begun = i + 1
			mu.Unlock()
			w.put(t, sessionKey, fmt.Sprint("value ", i+1))
			mu.Lock()
			stored = i + 1
			mu.Unlock()
		}
		clients.Wait()
	})
	t.Run("an App with a background is refused", func(t *testing.T) {
		_, body := w.ask(t, "/app")
		require.Contains(t, body, "secret: start: invalid: on js/wasm nothing can run in the background")
	})
	t.Run("an App without one reads", func(t *testing.T) {
		_, body := w.ask(t, "/app-without-background")
		require.Equal(t, "value 30", body)
	})
}

// TestServerPlainSecret reads a plain text variable of the Worker, as in
// .dev.vars, under the same name.
func TestServerPlainSecret(t *testing.T) {
	h := newHarness(t)
	dir := program(t, exampleGlue, "workers/internal/reader")
	start := func(bindings map[string]string) *worker {
		return h.start(t, dir, map[string]any{"secrets": map[string]string{}, "bindings": bindings})
	}
	_, body := start(map[string]string{sessionKey: "current=v2;v1=old;v2=made-up"}).ask(t, "/")
	require.Equal(t, "made-up", body)
	_, body = start(map[string]string{}).ask(t, "/")
	require.Contains(t, body,
		`not found: the Worker has no binding LAYERON_SECRET_AUTH_SESSION_KEY; add to its wrangler config`)
}

// A Worker in JavaScript gets the stored document and picks the current version
// itself.
func TestServerJavaScript(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, "javascript.mjs", filepath.Join(dir, "worker.mjs"))
	copyFile(t, "current.mjs", filepath.Join(dir, "current.mjs"))
	w := newHarness(t).start(t, dir, nil)
	for _, c := range []struct{ text, id, value string }{
		{`{"current": "v1", "versions": {"v1": {"value": "a"}, "v2": {"value": "b"}}}`, "v1", "a"},
		{`{"versions": {"v1": {"value": "a"}, "v2": {"value": "b"}}}`, "v2", "b"},
		{`{"current": "constructor", "versions": {"v1": {"value": "a"}, "v2": {"value": "b"}}}`, "v2", "b"},
		{`{"current": null, "versions": {"v9": {"value": "a"}}}`, "v9", "a"},
	} {
		w.put(t, sessionKey, c.text)
		status, body := w.ask(t, "/")
		require.Equal(t, 200, status, body)
		var got struct{ ID, Value string }
		require.NoError(t, json.Unmarshal([]byte(body), &got))
		require.Equal(t, c.id, got.ID)
		require.Equal(t, c.value, got.Value)
	}
}

// TestDocumentedJavaScript checks that this test runs the lines of the
// package's documentation.
func TestDocumentedJavaScript(t *testing.T) {
	doc, err := os.ReadFile("../../workers/doc.go")
	require.NoError(t, err)
	code, err := os.ReadFile("current.mjs")
	require.NoError(t, err)
	for line := range strings.Lines(string(code)) {
		require.Contains(t, string(doc), "//\t"+strings.TrimPrefix(line, "export "))
	}
}

func TestServerInstanceFitsIntoMemory(t *testing.T) {
	w := newHarness(t).start(t, program(t, "memory.mjs", "examples/worker"), nil)
	w.put(t, sessionKey, newKey())
	_, body := w.ask(t, "/session/new?user=ann")
	bytes, err := strconv.Atoi(body)
	require.NoError(t, err, body)
	t.Logf("an instance of the example takes %.1f MB", float64(bytes)/1e6)
	require.Less(t, bytes, 16_000_000)
}
