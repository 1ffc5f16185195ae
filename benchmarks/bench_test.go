package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func open(tb testing.TB) *peers {
	tb.Helper()
	p, err := newPeers(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.close)
	return p
}

// BenchmarkAll runs the benchmarks of the command, for -bench, -cpu,
// -cpuprofile and benchstat.
func BenchmarkAll(b *testing.B) {
	for _, t := range tables(open(b)) {
		for _, row := range t.rows {
			b.Run(t.name+"/"+strings.ReplaceAll(row.name, "**", ""), func(b *testing.B) {
				b.ReportAllocs()
				row.run(b)
			})
		}
	}
}

// TestPeersReadTheSame: all hold one value, and the documents give it back.
func TestPeersReadTheSame(t *testing.T) {
	p := open(t)
	file, err := p.file.Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	aws, err := p.aws.GetSecretString(variable)
	if err != nil {
		t.Fatal(err)
	}
	own, err := p.own.Current().Text()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"atomic": *p.atomic.Load(), "updater": p.updater.Get(),
		"setec": p.setec.GetString(),
		"file":  file.Value.(string), "aws": aws, "own": own} {
		if got != valueOf(3) || len(got) != valueLength {
			t.Errorf("%s reads something else", name)
		}
	}
	for text, ref := range map[string]func() (string, error){valueOf(2): p.own.Version("v2").Text,
		valueOf(1): p.own.Version("v1").Text} {
		if got, err := ref(); err != nil || got != text {
			t.Error("another version is read")
		}
	}
	if got, err := p.own.At(inForce).Text(); err != nil || got != valueOf(2) {
		t.Error("another version was in force")
	}
}

// A benchmark over its limit is reported.
func TestFastestRoundCounts(t *testing.T) {
	fake := map[string][]time.Duration{"slow": {100, 400, 112}, "fast": {60, 190, 50}}
	rows := func(most float64) []benchmark {
		return []benchmark{{name: "slow", base: true}, {name: "fast", most: most}}
	}
	for _, c := range []struct {
		most float64
		kept bool
	}{{0.5, true}, {0.49, false}} {
		turn := 0
		run := func(func(*testing.B)) testing.BenchmarkResult {
			name := []string{"slow", "fast"}[turn%2]
			turn++
			return testing.BenchmarkResult{N: 10, T: 10 * fake[name][(turn-1)/2], MemAllocs: 20}
		}
		samples, err := measure(rows(c.most), 3, run)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if kept := (table{"Read", rows(c.most)}).write(&out, samples); kept != c.kept {
			t.Errorf("at most %v: kept is %v", c.most, kept)
		}
		got := strings.Join(strings.Fields(out.String()), " ")
		if !strings.Contains(got, "| slow | 100 | 2 | 1.00 | |") || !strings.Contains(got, "| fast | 50 | 2 | 0.50 |") {
			t.Errorf("another table: %s", got)
		}
	}
	if _, err := measure(rows(1), 1, func(func(*testing.B)) testing.BenchmarkResult {
		return testing.BenchmarkResult{}
	}); err == nil {
		t.Error("a benchmark that failed is not told")
	}
}
