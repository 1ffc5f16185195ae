package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// The secrets are in a directory. The limits are 50 ms and 300 ms on a quiet
// machine. The bounds here allow for a busy one.
func TestStatusOfManySecretsIsFast(t *testing.T) {
	slow.Timed(t)
	for n, bound := range map[int]time.Duration{100: 400 * time.Millisecond, 1000: 2 * time.Second} {
		t.Run(number(n), func(t *testing.T) {
			dir := folder(t)
			var list []string
			for i := range n {
				list = append(list,
					fmt.Sprintf(`{"kind": "random", "namespace": "speed", "name": "key-%d", "rotation": {"everyDays": 90, "retain": {"mode": "retain_forever"}}}`, i))
			}
			declare(t, dir, list...)
			layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json")
			layerIn(t, dir, nil, 0, "secret", "rotate", "--immediate", "--spec", "spec.json")
			var took []time.Duration
			for range 10 {
				began := time.Now()
				stdout, _ := layerIn(t, dir, nil, 0, "secret", "status", "--spec", "spec.json")
				took = append(took, time.Since(began))
				require.Equal(t, n, strings.Count(stdout, "\tok\tv2\t"))
			}
			slices.Sort(took)
			t.Logf("the status of %d secrets: %v at best, %v in the middle", n, took[0], took[5])
			require.Less(t, took[0], bound)
			x := atTerminal(t, dir, nil, 80, "secret", "status", "--spec", "spec.json")
			require.True(t, strings.HasSuffix(strings.TrimSpace(x.ends(0)), number(n)+" secrets: "+number(n)+" ok"))
		})
	}
}
