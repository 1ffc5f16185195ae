package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The secrets are in a directory. The limit is 50 ms on a quiet machine. The
// bound here allows for a busy one.
func TestStatusOfAHundredSecretsIsFast(t *testing.T) {
	dir := folder(t)
	var list []string
	for i := range 100 {
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
		require.Equal(t, 100, strings.Count(stdout, "\tok\tv2\t"))
	}
	slices.Sort(took)
	t.Logf("the status of 100 secrets: %v at best, %v in the middle", took[0], took[5])
	require.Less(t, took[0], 400*time.Millisecond)
}
