package main

import (
	"context"
	"flag"
	"regexp"
	"strings"
	"testing"
	"time"
)

// everyPair opens each group of pairs and calls f for every row.
func everyPair(tb testing.TB, f func(name string, p pair)) {
	tb.Helper()
	for _, name := range order {
		g := groups[name]
		if g.pairs == nil {
			continue
		}
		s := &session{ctx: context.Background(), group: name, rows: regexp.MustCompile(".")}
		defer s.close()
		rows, err := g.pairs(s)
		if err != nil {
			tb.Fatal(err)
		}
		for _, p := range rows {
			f(name+"/"+p.name, p)
		}
	}
}

// BenchmarkRow runs the functions of all pairs, for -cpuprofile and -cpu.
func BenchmarkRow(b *testing.B) {
	everyPair(b, func(name string, p pair) {
		for who, run := range map[string]func(*testing.B){"ours": p.ours, "peer": p.theirs} {
			if run == nil {
				continue
			}
			b.Run(name+"/of="+who, func(b *testing.B) {
				b.ReportAllocs()
				run(b)
			})
		}
	})
}

// mostRounds is how often a row that breaks its limit is measured before it
// fails. The fastest round counts, so that load on the machine only delays.
const mostRounds = 300

// TestLimitsAreKept holds the limits of all pairs.
func TestLimitsAreKept(t *testing.T) {
	setBenchtime(t, "2ms")
	everyPair(t, func(name string, p pair) {
		l, ok := limits[name]
		if !ok {
			return
		}
		l = l.inGate()
		r, err := p.measure(mostRounds, testing.Benchmark, func(r result) bool { return l.broken(r) == "" })
		if err != nil {
			t.Fatal(err)
		}
		if broken := l.broken(r); broken != "" {
			t.Errorf("%s: %s", name, broken)
		}
	})
}

// setBenchtime sets the time of one measurement of testing.Benchmark.
func setBenchtime(t *testing.T, each string) {
	t.Helper()
	before := flag.Lookup("test.benchtime").Value.String()
	if err := flag.Set("test.benchtime", each); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set("test.benchtime", before) })
}

// Every limit has a row: a renamed row would lose its limit silently.
func TestLimitsHaveRows(t *testing.T) {
	pairs := map[string]bool{}
	everyPair(t, func(name string, _ pair) {
		if pairs[name] {
			t.Errorf("two rows have the name %s", name)
		}
		pairs[name] = true
	})
	for name, l := range limits {
		group, _, _ := strings.Cut(name, "/")
		if groups[group].pairs == nil && groups[group].once == nil {
			t.Errorf("the limit of %s: there is no such group", name)
		}
		if groups[group].pairs != nil && !pairs[name] {
			t.Errorf("the limit of %s: there is no such row", name)
		}
		if l.String() == "" {
			t.Errorf("the limit of %s is empty", name)
		}
		if l.held > 0 && l.held <= l.ratio {
			t.Errorf("the limit of %s: the gate holds the target, and so needs no other ratio", name)
		}
	}
}

// All peers hold one value, and the documents give it back.
func TestPeersReadTheSame(t *testing.T) {
	p, err := newPeers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	file, err := p.file.Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	aws, err := p.aws.GetSecretString(variable)
	if err != nil {
		t.Fatal(err)
	}
	own, err := p.own[3].Current().Text()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"atomic": *p.atomic.Load(), "updater": p.updater.Get(),
		"setec": p.setec.GetString(), "file": file.Value.(string), "aws": aws, "own": own} {
		if got != valueOf(3) || len(got) != valueLength {
			t.Errorf("%s reads something else", name)
		}
	}
	for n, s := range p.own {
		id, at := idOf(middle(n)), since(middle(n)).Add(1)
		for name, read := range map[string]func() (string, error){"Version": s.Version(id).Text,
			"ActiveVersion": s.ActiveVersion(id).Text, "At": s.At(at).Text} {
			if got, err := read(); err != nil || got != valueOf(middle(n)) {
				t.Errorf("%s among %d versions reads something else", name, n)
			}
		}
	}
}

func TestFastestRoundCounts(t *testing.T) {
	fake := map[string][]time.Duration{"ours": {60, 190, 50}, "theirs": {100, 400, 112}}
	for ratio, kept := range map[float64]bool{0.5: true, 0.49: false} {
		turn := 0
		run := func(func(*testing.B)) testing.BenchmarkResult {
			name := []string{"ours", "theirs"}[turn%2]
			turn++
			return testing.BenchmarkResult{N: 10, T: 10 * fake[name][(turn-1)/2], MemAllocs: 20}
		}
		nothing := func(*testing.B) {}
		r, err := pair{"row", "peer", nothing, nothing}.measure(3, run, nil)
		if err != nil {
			t.Fatal(err)
		}
		limits["row"] = limit{ratio: ratio}
		t.Cleanup(func() { delete(limits, "row") })
		var out strings.Builder
		if write(&out, []result{r}) != kept {
			t.Errorf("at most %v: kept is %v", ratio, !kept)
		}
		got := strings.Join(strings.Fields(out.String()), " ")
		if !strings.Contains(got, "| row | 50 ns | 100 ns peer | 0.50 | 2 |") || strings.Contains(got, "BROKEN") == kept {
			t.Errorf("another table: %s", got)
		}
	}
	_, err := pair{ours: func(*testing.B) {}}.measure(1, func(func(*testing.B)) testing.BenchmarkResult {
		return testing.BenchmarkResult{}
	}, nil)
	if err == nil {
		t.Error("a benchmark that failed is not reported")
	}
}

func TestFiguresAreShort(t *testing.T) {
	for want, f := range map[string]figure{"": {}, "5.2 ns": {value: 5.21, unit: "ns"}, "14 ns": took(14),
		"1.4 ms": took(1400 * time.Microsecond), "1.0 s": took(999_900 * time.Microsecond), "82 s": took(82 * time.Second),
		"7 B": size(7), "3.9 KB": size(3880), "28 MB": size(27_988_233)} {
		if got := f.String(); got != want {
			t.Errorf("%q is wanted, and it is %q", want, got)
		}
	}
}

// Every watcher sees a change, and a process that watches reports its time.
func TestWatchersSeeChanges(t *testing.T) {
	s := &session{ctx: t.Context(), group: "watch", rows: regexp.MustCompile(".")}
	t.Cleanup(s.close)
	for _, by := range watchers {
		w, err := newWatched(s, 3)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(chan string, 100)
		closes, err := by.open(t.Context(), w, func(text string) { seen <- text })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(closes)
		if err := by.set(w, valueOf(7)); err != nil {
			t.Fatal(err)
		}
		for text := ""; text != valueOf(7); {
			select {
			case text = <-seen:
			case <-time.After(30 * time.Second):
				t.Fatalf("%s does not see a change", by.name)
			}
		}
	}
}
