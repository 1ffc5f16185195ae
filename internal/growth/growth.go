// Package growth holds the law of growth in tests: if the number of secrets
// doubles, no cost more than doubles.
package growth

import (
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/layeron-hq/secret/internal/slow"
)

// double is the most by which a cost may grow if the number doubles: 10 % more
// than twice.
const double = 2.2

// Sizes returns the numbers of secrets for which the law is held: 100 and its
// doubles up to 1,600, or beyond 10,000 if every test was asked for.
func Sizes() []int {
	if slow.All() {
		return []int{100, 200, 400, 800, 1600, 3200, 6400, 12800}
	}
	return []int{100, 200, 400, 800, 1600}
}

// broken returns how costs break the law, or "", and the index of the cost that
// does. The size before may have been a cheap one, since slices and maps grow in
// steps. So a cost breaks the law if it has grown too much from every smaller
// size.
func broken(sizes []int, costs []float64) (found string, at int) {
	for i, n := range sizes[1:] {
		most := 0.0
		for j, m := range sizes[:i+1] {
			most = max(most, costs[j]*math.Pow(double, math.Log2(float64(n)/float64(m))))
		}
		if cost := costs[i+1]; cost > most*(1+1e-9) {
			return fmt.Sprintf("with %d it costs %.4g and may cost %.4g, by the costs of fewer", n, cost, most), i + 1
		}
	}
	return "", -1
}

// Law requires that the law holds for the bytes, the allocations and the
// processor time of an operation. prepare returns the operation for a size.
func Law(t testing.TB, what string, sizes []int, prepare func(n int) func()) {
	t.Helper()
	objects := map[int]float64{}
	Counts(t, "bytes of "+what, sizes, func(n int) float64 {
		f := prepare(n)
		f()
		bytes, least := Allocated(f)
		for range 4 { // goroutines of the test may allocate as well
			b, o := Allocated(f)
			bytes, least = min(bytes, b), min(least, o)
		}
		objects[n] = least
		return bytes
	})
	Counts(t, "allocations of "+what, sizes, func(n int) float64 { return objects[n] })
	Times(t, "time of "+what, sizes, prepare)
}

// Allocated returns the bytes and the objects that f allocates.
func Allocated(f func()) (bytes, objects float64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc), float64(after.Mallocs - before.Mallocs)
}

// Counts requires that a cost without chance in it, such as a number of bytes,
// keeps the law.
func Counts(t testing.TB, what string, sizes []int, cost func(n int) float64) {
	t.Helper()
	var costs []float64
	for _, n := range sizes {
		costs = append(costs, cost(n))
	}
	t.Logf("%s for %d: %.0f", what, sizes, costs)
	if found, _ := broken(sizes, costs); found != "" {
		t.Errorf("%s: %s", what, found)
	}
}

const (
	mostTries = 300
	longest   = 20 * time.Second
	shortly   = 2 * time.Millisecond // of processor time, for one measurement
)

// Times requires that the processor time of an operation keeps the law. prepare
// returns the operation for a size. All sizes are measured in three rounds, and
// after that a size that breaks the law, until the shortest times keep the law or
// the test has tried for long enough: other load only makes a run longer, and a
// long run is seldom undisturbed.
func Times(t testing.TB, what string, sizes []int, prepare func(n int) func()) {
	t.Helper()
	if slow.Raced {
		return // the race detector would be measured
	}
	times(t, what, sizes, prepare, longest)
}

func times(t testing.TB, what string, sizes []int, prepare func(n int) func(), longest time.Duration) {
	t.Helper()
	operations, best := make([]func(), len(sizes)), make([]float64, len(sizes))
	for i, n := range sizes {
		operations[i] = prepare(n)
	}
	measure := func(i int) {
		if took := float64(spent(operations[i])); best[i] == 0 || took < best[i] {
			best[i] = took
		}
	}
	for range 3 {
		for i := range operations {
			measure(i)
		}
	}
	found, at := broken(sizes, best)
	for began, tries := time.Now(), 0; found != "" && tries < mostTries && time.Since(began) < longest; tries++ {
		measure(at)
		found, at = broken(sizes, best)
	}
	t.Logf("%s for %d: %.0f ns", what, sizes, best)
	if found != "" {
		t.Errorf("%s: %s", what, found)
	}
}

// spent returns the processor time of one run of f.
func spent(f func()) time.Duration {
	before := processorTime()
	for n := 1; ; n++ {
		f()
		if total := processorTime() - before; total >= shortly {
			return total / time.Duration(n)
		}
	}
}
