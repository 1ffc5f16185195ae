package statushttp

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// tab is a tab of a headless Chromium. It speaks the DevTools protocol over two
// pipes, which needs no module.
type tab struct {
	t       testing.TB
	in      io.Writer
	out     *bufio.Reader
	session string
	last    int
	logged  []string // errors in the console, such as violations of the policy
}

type message struct {
	ID     int             `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  json.RawMessage `json:"error,omitempty"`
}

// newTab starts a Chromium that ends with the test.
func newTab(t testing.TB) *tab {
	t.Helper()
	slow.Test(t)
	program, err := exec.LookPath("chromium")
	require.NoError(t, err, "CONTRIBUTING.md says how to install it")
	read, in, err := os.Pipe()
	require.NoError(t, err)
	out, write, err := os.Pipe()
	require.NoError(t, err)
	profile := t.TempDir()
	// Its processes outlive it for a moment, so the folder may refuse to go.
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--hide-scrollbars", "--no-first-run", "--remote-debugging-pipe",
		"--user-data-dir="+filepath.Join(profile, "profile"))
	cmd.Env = append(os.Environ(), "HOME="+profile)
	cmd.ExtraFiles = []*os.File{read, write} // Chromium uses the descriptors 3 and 4
	var said bytes.Buffer
	cmd.Stderr = &said
	require.NoError(t, cmd.Start())
	require.NoError(t, read.Close())
	require.NoError(t, write.Close())
	b := &tab{t: t, in: in, out: bufio.NewReaderSize(out, 1<<20)}
	stuck := time.AfterFunc(8*time.Minute, func() { _ = cmd.Process.Kill() }) // a read of its answers then ends
	t.Cleanup(func() {
		_ = json.NewEncoder(in).Encode(map[string]any{"id": -1, "method": "Browser.close"})
		_, _ = in.Write([]byte{0})
		_, _ = io.Copy(io.Discard, b.out) // until its processes have ended
		_ = cmd.Wait()
		stuck.Stop()
		_ = in.Close()
		_ = out.Close()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	var target struct{ TargetID, SessionID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call calls a method of the protocol and waits for its result.
func (b *tab) call(method string, params, result any) {
	b.t.Helper()
	b.last++
	request := map[string]any{"id": b.last, "method": method}
	if params != nil {
		request["params"] = params
	}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	text, err := json.Marshal(request)
	require.NoError(b.t, err)
	_, err = b.in.Write(append(text, 0))
	require.NoError(b.t, err)
	for {
		m := b.next()
		if m.ID != b.last {
			continue
		}
		require.Empty(b.t, string(m.Error), method)
		if result != nil {
			require.NoError(b.t, json.Unmarshal(m.Result, result))
		}
		return
	}
}

func (b *tab) next() message {
	b.t.Helper()
	text, err := b.out.ReadBytes(0)
	require.NoError(b.t, err, "Chromium has ended")
	var m message
	require.NoError(b.t, json.Unmarshal(text[:len(text)-1], &m))
	refused := bytes.Contains(m.Params, []byte(" 503 ")) // the page itself, which Chromium shows all the same
	if (m.Method == "Log.entryAdded" || m.Method == "Runtime.exceptionThrown") && !refused {
		b.logged = append(b.logged, string(m.Params))
	}
	return m
}

// screen sets the width of the screen and the preferred colours.
func (b *tab) screen(width int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": width, "height": 812, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call("Emulation.setEmulatedMedia",
		map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// open loads a page.
func (b *tab) open(url string) {
	b.t.Helper()
	var failed struct{ ErrorText string }
	b.call("Page.navigate", map[string]any{"url": url}, &failed)
	require.Empty(b.t, failed.ErrorText)
	for b.next().Method != "Page.loadEventFired" {
	}
}

// eval returns the value of an expression in the page.
func (b *tab) eval(expression string, value any) {
	b.t.Helper()
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &got)
	require.Empty(b.t, string(got.ExceptionDetails))
	require.NoError(b.t, json.Unmarshal(got.Result.Value, value))
}

// picture writes a picture of the page among the test's artifacts, up to a
// height of 4,000 pixels.
func (b *tab) picture(name string) {
	b.t.Helper()
	var size struct {
		CSSContentSize struct{ Width, Height float64 }
	}
	b.call("Page.getLayoutMetrics", nil, &size)
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true, "clip": map[string]any{"x": 0, "y": 0,
		"width": size.CSSContentSize.Width, "height": min(size.CSSContentSize.Height, 4000), "scale": 1}}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), png, 0o644))
}
