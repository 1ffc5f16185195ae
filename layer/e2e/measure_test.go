package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cold holds times to the first answer of newly started Workers: one answers a
// constant, one a secret's Text.
type cold struct{ constant, text []time.Duration }

func (c cold) ratio() float64 { return float64(median(c.text)) / float64(median(c.constant)) }

func (c cold) String() string {
	return fmt.Sprintf("a constant %v, a secret's Text %v: %.2f × (medians of %d)", median(c.constant), median(c.text),
		c.ratio(), len(c.text))
}

// TestServerColdStart compares the time to the first answer with that of a
// Worker that answers a constant. It measures from the start of workerd, and
// for a plain secret also without that start. The second measurement excludes
// the emulated store's own first answer.
func TestServerColdStart(t *testing.T) {
	h := newHarness(t)
	constant, reader := program(t, exampleGlue, "workers/internal/constant"), program(t, exampleGlue,
		"workers/internal/reader")
	first := func(dir, want string, plain bool) (fromStart, alone time.Duration) {
		options := map[string]any{}
		if plain {
			options = map[string]any{"secrets": map[string]string{}, "bindings": map[string]string{sessionKey: "made-up"}}
		}
		began := time.Now()
		w := h.start(t, dir, options)
		defer w.stop(t)
		started := time.Since(began)
		if !plain {
			w.put(t, sessionKey, "made-up")
		}
		began = time.Now()
		_, body := w.ask(t, "/")
		alone = time.Since(began)
		require.Equal(t, want, body)
		return started + alone, alone
	}
	first(constant, "constant", true) // reads the files from the disk
	var fromStart, store, plain cold
	// A busy machine gets a second and a third chance.
	for chance := 0; chance < 3 && (chance == 0 || fromStart.ratio() > 1.25 || plain.ratio() > 1.25); chance++ {
		for i := range 36 {
			// The order differs from round to round, because a Worker that is still ending
			// slows its successor.
			switch (i*7 + i/4) % 4 {
			case 0:
				a, b := first(constant, "constant", false)
				fromStart.constant, store.constant = append(fromStart.constant, a), append(store.constant, b)
			case 1:
				a, b := first(reader, "made-up", false)
				fromStart.text, store.text = append(fromStart.text, a), append(store.text, b)
			case 2:
				_, b := first(constant, "constant", true)
				plain.constant = append(plain.constant, b)
			case 3:
				_, b := first(reader, "made-up", true)
				plain.text = append(plain.text, b)
			}
		}
	}
	t.Log("first answer from the start of workerd on: ", fromStart, ", budget 1.25")
	t.Log("first answer alone, a plain secret:        ", plain, ", budget 1.25")
	t.Log("first answer alone, the local store:       ", store)
	require.LessOrEqual(t, fromStart.ratio(), 1.25)
	require.LessOrEqual(t, plain.ratio(), 1.25)
}

func median(times []time.Duration) time.Duration {
	times = slices.Sorted(slices.Values(times))
	return times[len(times)/2].Round(10 * time.Microsecond)
}

// BenchmarkWarmRead compares a read in a running Go instance with a JavaScript
// Worker's own await env.X.get().
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

// BenchmarkRequest measures a whole request, with an instance for each and with
// a shared one.
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
