package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
	"github.com/layeron-hq/secret/layer/rotate"
)

// gate is an account that can delay its answers.
type gate struct {
	*cloudflarefake.Server
	env []string

	mu     sync.Mutex
	holds  func(*http.Request) bool
	opened chan struct{}
	waits  chan struct{} // one element when a request is delayed
}

func newGate(t *testing.T) *gate {
	g := &gate{Server: cloudflarefake.New(cloudflarefake.Options{}), waits: make(chan struct{}, 100)}
	server := httptest.NewServer(g)
	t.Cleanup(func() { g.open(); server.Close() })
	startFakeAt(server.URL, func(name, value string) { g.env = append(g.env, name+"="+value) }, g.Server)
	return g
}

// hold delays the chosen requests until open. Then each is applied if its
// sender still waits.
func (g *gate) hold(chosen func(*http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds, g.opened = chosen, make(chan struct{})
}

// answer lets the delayed requests pass, and delays all later ones.
func (g *gate) answer() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
	g.holds, g.opened = func(*http.Request) bool { return true }, make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holds != nil {
		g.holds = nil
		close(g.opened)
	}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	opened := g.opened
	held := g.holds != nil && g.holds(r)
	g.mu.Unlock()
	if held {
		g.waits <- struct{}{}
		<-opened
	}
	g.Server.ServeHTTP(w, r)
}

func writes(r *http.Request) bool { return r.Method != http.MethodGet }

// The progress disappears before the output. A quick command shows none.
func TestProgressShowsAfterHalfASecond(t *testing.T) {
	g := newGate(t)
	dir := t.TempDir()
	declare(t, dir, rotating)
	layerIn(t, dir, g.env, 0, "secret", "init", "--to", "cloudflare")
	layerIn(t, dir, g.env, 0, "secret", "apply", "--spec", "spec.json")

	screen := atTerminal(t, dir, g.env, 80, "secret", "status", "--spec", "spec.json").ends(0)
	require.NotContains(t, screen, "…", "a quick command")

	g.hold(func(*http.Request) bool { return true })
	x := atTerminal(t, dir, g.env, 30, "secret", "status", "--spec", "spec.json")
	x.expect("asking the target …")
	require.GreaterOrEqual(t, time.Since(x.began), patience)
	g.open()
	screen = x.ends(0)
	_, after, _ := strings.Cut(screen, "asking the target …")
	require.True(t, strings.HasPrefix(after, "\r\x1b[K"), "taken away before anything else is printed")
	require.NotContains(t, after, "…")

	// No progress in a pipe or on a dumb terminal.
	g.hold(func(*http.Request) bool { return true })
	x = atTerminal(t, dir, append(g.env, "TERM=dumb"), 80, "secret", "status", "--spec", "spec.json")
	<-g.waits
	time.AfterFunc(patience+100*time.Millisecond, g.open)
	require.NotContains(t, x.ends(0), "…")
}

// While many secrets are published, the progress counts them.
func TestProgressCounts(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	dir := t.TempDir()
	var list []string
	for _, name := range []string{"a", "b", "c"} {
		list = append(list, strings.Replace(rotating, "session-key", name, 1))
	}
	declare(t, dir, list...)
	layerIn(t, dir, g.env, 0, "secret", "init", "--to", "cloudflare")
	layerIn(t, dir, g.env, 0, "secret", "apply", "--spec", "spec.json")

	g.hold(writes)
	x := atTerminal(t, dir, g.env, 80, "secret", "rotate", "--now", "--spec", "spec.json")
	<-g.waits
	x.expect("publishing (3 secrets) …")
	g.answer()
	<-g.waits
	x.expect("publishing (1 of 3) …")
	g.answer()
	<-g.waits
	x.expect("publishing (2 of 3) …")
	g.open()
	screen := x.ends(0)
	_, after, _ := strings.Cut(screen, "publishing (2 of 3) …")
	require.NotContains(t, after, "…\n")
	require.Contains(t, after, "announced v2")
}

func TestLargeProgressHasCommas(t *testing.T) {
	l := &layer{err: &screen{terminal: true, width: 80, shown: true, w: new(strings.Builder)}}
	l.progress(rotate.Event{Stage: rotate.StagePublish, Secrets: 1000, Done: 12})
	require.Equal(t, "\r\x1b[Kpublishing (12 of 1,000) …", l.err.w.(*strings.Builder).String())
}
