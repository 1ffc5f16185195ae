package main

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

// figure is a measured time or size.
type figure struct {
	value   float64
	unit    string // ns, or B for bytes
	allocs  int64  // for one operation
	counted bool   // allocs is known
}

func took(d time.Duration) figure { return figure{value: float64(d), unit: "ns"} }

func size(n float64) figure { return figure{value: n, unit: "B"} }

func (f figure) zero() bool { return f.unit == "" }

// String returns the figure with two or three digits: 5.2 ns, 14 ms, 250 KB.
func (f figure) String() string {
	if f.zero() {
		return ""
	}
	units := map[string][]string{"ns": {"ns", "µs", "ms", "s"}, "B": {"B", "KB", "MB", "GB"}}[f.unit]
	value := f.value
	for value >= 999.5 && len(units) > 1 {
		value, units = value/1000, units[1:]
	}
	if value < 9.95 && (f.unit == "ns" || units[0] != "B") {
		return fmt.Sprintf("%.1f %s", value, units[0])
	}
	return fmt.Sprintf("%.0f %s", value, units[0])
}

// longest is how long one row is measured at most.
const longest = 4 * time.Second

// measure runs the two functions in turn, round by round, so that other load on
// the machine affects both. enough, if not nil, ends the rounds early.
func (p pair) measure(rounds int, run func(func(*testing.B)) testing.BenchmarkResult,
	enough func(result) bool) (result, error) {
	ours, theirs := sample{run: p.ours}, sample{run: p.theirs}
	r := result{name: p.name, peer: p.peer}
	for began, i := time.Now(), 0; i < rounds && (i < 3 || time.Since(began) < longest); i++ {
		for _, s := range []*sample{&ours, &theirs} {
			if s.run == nil {
				continue
			}
			b := run(s.run)
			if b.N == 0 {
				return r, fmt.Errorf("%s failed", p.name)
			}
			s.ns = append(s.ns, float64(b.T.Nanoseconds())/float64(b.N))
			s.allocs = append(s.allocs, b.AllocsPerOp())
		}
		r.ours, r.theirs = ours.best(), theirs.best()
		if enough != nil && enough(r) {
			break
		}
	}
	return r, nil
}

// sample has the rounds of one function.
type sample struct {
	run    func(*testing.B)
	ns     []float64
	allocs []int64
}

// best returns the shortest time: other load can only slow a round down, and a
// round is short enough to run undisturbed now and then. Of the allocations it
// returns the median: a round of few iterations also counts those of the
// runtime.
func (s *sample) best() figure {
	if len(s.ns) == 0 {
		return figure{}
	}
	return figure{slices.Min(s.ns), "ns", slices.Sorted(slices.Values(s.allocs))[len(s.allocs)/2], true}
}

// write prints the table as Markdown and reports whether every limit is kept.
func write(w io.Writer, results []result) (kept bool) {
	out := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprint(out, "| row\t| ours\t| peer\t| ratio\t| allocs\t| limit\t|\n|---\t|---:\t|---\t|---:\t|---:\t|---\t|\n")
	kept = true
	for _, r := range results {
		l := limits[r.name]
		text := l.String()
		if broken := l.broken(r); broken != "" {
			kept, text = false, text+" BROKEN"
		}
		fmt.Fprintf(out, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", r.name, r.ours, r.their(), r.ratioText(), r.allocs(), text)
	}
	_ = out.Flush() // to standard output
	return kept
}

func (r result) ratio() float64 { return r.ours.value / r.theirs.value }

func (r result) ratioText() string {
	if r.theirs.zero() || r.theirs.value == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", r.ratio())
}

func (r result) their() string {
	if r.theirs.zero() {
		return r.peer
	}
	return r.theirs.String() + " " + r.peer
}

func (r result) allocs() string {
	if !r.ours.counted {
		return ""
	}
	return fmt.Sprint(r.ours.allocs)
}
