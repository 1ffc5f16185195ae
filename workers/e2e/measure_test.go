package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestColdStart holds the time to the first answer of a Worker that reads a secret against one that answers a constant.
func TestColdStart(t *testing.T) {
	h := newHarness(t)
	constant, reader := program(t, exampleGlue, "workers/internal/constant"), program(t, exampleGlue, "workers/internal/reader")
	cold := func(dir, want string) (fromNothing, first time.Duration) {
		began := time.Now()
		w := h.start(t, dir, nil)
		defer w.stop(t)
		started := time.Since(began)
		w.put(t, sessionKey, "made-up")
		began = time.Now()
		_, body := w.ask(t, "/")
		first = time.Since(began)
		require.Equal(t, want, body)
		return started + first, first
	}
	cold(constant, "constant") // the files come from the disk
	var all, first [2][]time.Duration
	for range 9 {
		for i, dir := range []string{constant, reader} {
			a, f := cold(dir, []string{"constant", "made-up"}[i])
			all[i], first[i] = append(all[i], a), append(first[i], f)
		}
	}
	for name, times := range map[string][2][]time.Duration{"from nothing": all, "first request of a started workerd": first} {
		c, r := median(times[0]), median(times[1])
		ratio := float64(r) / float64(c)
		t.Logf("%s: constant %v, reader %v, %.2f × (budget 1.25)", name, c, r, ratio)
		require.LessOrEqual(t, ratio, 1.25, name)
	}
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2].Round(10 * time.Microsecond)
}

// BenchmarkWarmRead sets a read of a Go instance that is there beside a JavaScript Worker's own await env.X.get().
func BenchmarkWarmRead(b *testing.B) {
	h := newHarness(b)
	dir := b.TempDir()
	copyFile(b, "javascript.mjs", filepath.Join(dir, "worker.mjs"))
	copyFile(b, "current.mjs", filepath.Join(dir, "current.mjs"))
	javascript := h.start(b, dir, nil)
	shared := h.start(b, program(b, "shared.mjs", "workers/internal/shared"), nil)
	for _, c := range []struct {
		name, path string
		w          *worker
	}{{"go", "/read", shared}, {"javascript", "/", javascript}} {
		b.Run(c.name, func(b *testing.B) {
			c.w.put(b, sessionKey, "made-up")
			c.w.ask(b, c.path+"?n=2")
			b.ResetTimer()
			_, body := c.w.ask(b, c.path+fmt.Sprint("?n=", b.N+1))
			if b.N > 1 {
				require.Equal(b, "made-up", body)
			}
		})
	}
}

// BenchmarkRequest is a whole request: an instance for each, and one that is shared.
func BenchmarkRequest(b *testing.B) {
	h := newHarness(b)
	for _, c := range []struct {
		name, path string
		w          *worker
	}{
		{"instance-a-request/constant", "/", h.start(b, program(b, exampleGlue, "workers/internal/constant"), nil)},
		{"instance-a-request/reader", "/", h.start(b, program(b, exampleGlue, "workers/internal/reader"), nil)},
		{"instance-a-request/example", "/session/new?user=ann", h.start(b, program(b, exampleGlue, "examples/worker"), nil)},
		{"shared-instance/reader", "/read?n=1", h.start(b, program(b, "shared.mjs", "workers/internal/shared"), nil)},
	} {
		c.w.put(b, sessionKey, newKey())
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				c.w.ask(b, c.path)
			}
		})
	}
}
