package growth

import (
	"math"
	"testing"
	"time"
)

func TestLawFindsWhatGrowsFaster(t *testing.T) {
	for name, c := range map[string]struct {
		cost func(n float64) float64
		kept bool
	}{
		"constant":             {func(float64) float64 { return 7 }, true},
		"linear":               {func(n float64) float64 { return 3*n + 50 }, true},
		"in steps":             {func(n float64) float64 { return math.Pow(4, math.Ceil(math.Log2(n)/2)) }, true},
		"square":               {func(n float64) float64 { return n * n }, false},
		"n log n":              {func(n float64) float64 { return n * math.Log(n) }, false},
		"square from 1,000 on": {func(n float64) float64 { return 1000*n + max(0, n-1000)*n }, false},
	} {
		sizes, costs := []int{100, 200, 400, 800, 1600}, []float64{}
		for _, n := range sizes {
			costs = append(costs, c.cost(float64(n)))
		}
		if found, _ := broken(sizes, costs); (found == "") != c.kept {
			t.Errorf("%s: %q", name, found)
		}
	}
}

// recorder records whether a test failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Logf(string, ...any)   {}

var sink int

func TestLawFindsTimeThatGrowsFaster(t *testing.T) {
	for name, c := range map[string]struct {
		steps  func(n int) int
		broken bool
	}{"linear": {func(n int) int { return 20_000 * n }, false}, "square": {func(n int) int { return 200 * n * n }, true}} {
		r := &recorder{TB: t}
		times(r, name, []int{100, 200, 400}, func(n int) func() {
			return func() {
				for i := range c.steps(n) {
					sink += i
				}
			}
		}, time.Second)
		if r.failed != c.broken {
			t.Errorf("%s: refused is %v", name, r.failed)
		}
	}
}
