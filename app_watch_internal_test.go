package secret

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A store on this machine is asked at once after a change. Of all others a
// thousand replicas would ask at the same moment.
func TestStoresOnThisMachine(t *testing.T) {
	type other struct{ Store }
	type remote struct{ *Memory }
	memory := NewMemory(nil)
	for name, tc := range map[string]struct {
		store Store
		want  bool
	}{
		"folder":           {Dir(t.TempDir()), true},
		"memory":           {memory, true},
		"chain of both":    {Chain(Env(), Dir("x"), Chain(memory)), true},
		"another type":     {other{memory}, false},
		"one that embeds":  {remote{memory}, false},
		"chain with other": {Chain(Dir("x"), other{memory}), false},
	} {
		require.Equal(t, tc.want, isNear(tc.store), name)
	}
}

func TestSpreadOfHints(t *testing.T) {
	for name, tc := range map[string]struct {
		near, first bool
		secrets     int
		want        time.Duration
	}{
		"elsewhere":               {false, false, 1, time.Second},
		"elsewhere, first":        {false, true, 1, time.Second},
		"here":                    {true, false, 10_000, 0},
		"here, first":             {true, true, 10, time.Millisecond},
		"here, first, of many":    {true, true, 10_000, time.Second},
		"here, first, of a crowd": {true, true, 1_000_000, time.Second},
	} {
		g := &watchGroup{near: tc.near, secrets: make([]*appSecret, tc.secrets)}
		require.Equal(t, tc.want, g.spread(tc.first), name)
	}
}
