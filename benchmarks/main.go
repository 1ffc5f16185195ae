// Command benchmarks measures reads and parsing beside other libraries and
// prints tables of ratios: see README.md.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

// benchmark is one row of a table.
type benchmark struct {
	name string
	run  func(*testing.B)
	base bool    // the other rows of the table are compared with it
	most float64 // the largest ratio that this project allows itself; 0: none
}

type table struct {
	name string
	rows []benchmark
}

func tables(p *peers) []table {
	one, many := p.reads()
	return append([]table{
		{"Warm read", one},
		{"Warm read, all processors at once", many},
		{"Decode 3 versions", decodings(3)},
		{"Decode 50 versions", decodings(50)},
	}, p.keyrings()...)
}

// sample is the result of one round of a benchmark.
type sample struct {
	ns     float64
	allocs int64
}

func main() {
	rounds := flag.Int("rounds", 50, "how often everything is measured; the fastest round is shown")
	each := flag.Duration("time", 10*time.Millisecond, "how long one measurement takes")
	check := flag.Bool("check", false, "exit with 1 where a ratio is over the most allowed")
	testing.Init()
	flag.Parse()
	if err := run(*rounds, *each, *check); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func run(rounds int, each time.Duration, check bool) error {
	if rounds < 1 {
		return errors.New("-rounds must be at least 1")
	}
	if err := flag.Set("test.benchtime", each.String()); err != nil {
		return err
	}
	p, err := newPeers(context.Background())
	if err != nil {
		return err
	}
	defer p.close()
	fmt.Printf("%s, %d processors, %d rounds of %s each.\n", runtime.Version(), runtime.GOMAXPROCS(0), rounds, each)
	kept := true
	for _, t := range tables(p) {
		samples, err := measure(t.rows, rounds, testing.Benchmark)
		if err != nil {
			return err
		}
		kept = t.write(os.Stdout, samples) && kept
	}
	if check && !kept {
		return errors.New("a ratio is over the most allowed")
	}
	return nil
}

// measure runs the rows in turn, round by round, so that other load on the
// machine affects all of them.
func measure(rows []benchmark, rounds int, run func(func(*testing.B)) testing.BenchmarkResult) ([][]sample, error) {
	samples := make([][]sample, len(rows))
	for range rounds {
		for i, row := range rows {
			r := run(row.run)
			if r.N == 0 {
				return nil, fmt.Errorf("%s failed", row.name)
			}
			samples[i] = append(samples[i], sample{float64(r.T.Nanoseconds()) / float64(r.N), r.AllocsPerOp()})
		}
	}
	return samples, nil
}

// write prints the table as Markdown and reports whether every ratio is within
// its limit. For each row it takes the fastest round: other load can only slow
// a round down, and a round is short enough to run undisturbed now and then.
func (t table) write(w io.Writer, samples [][]sample) (kept bool) {
	base := fastest(samples[slices.IndexFunc(t.rows, func(b benchmark) bool { return b.base })])
	out := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintf(out, "\n| %s\t| ns\t| allocs\t| ratio\t| at most\t|\n|---\t|---:\t|---:\t|---:\t|---:\t|\n", t.name)
	kept = true
	for i, row := range t.rows {
		best, most := fastest(samples[i]), ""
		ratio := best.ns / base.ns
		if row.most > 0 {
			most = fmt.Sprint(row.most)
			kept = kept && ratio <= row.most
		}
		fmt.Fprintf(out, "| %s\t| %s\t| %d\t| %.2f\t| %s\t|\n", row.name, digits(best.ns), best.allocs, ratio, most)
	}
	_ = out.Flush() // to standard output
	return kept
}

// fastest returns the shortest time, and the median of the allocations: a round
// of few iterations also counts allocations of the runtime.
func fastest(rounds []sample) (best sample) {
	byTime := func(a, b sample) int { return cmp.Compare(a.ns, b.ns) }
	byAllocs := func(a, b sample) int { return cmp.Compare(a.allocs, b.allocs) }
	best.ns = slices.MinFunc(rounds, byTime).ns
	best.allocs = slices.SortedFunc(slices.Values(rounds), byAllocs)[len(rounds)/2].allocs
	return best
}

// digits formats a time with its significant digits.
func digits(ns float64) string {
	if ns < 10 {
		return fmt.Sprintf("%.1f", ns)
	}
	return fmt.Sprintf("%.0f", ns)
}
