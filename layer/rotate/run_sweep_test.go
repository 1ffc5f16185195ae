package rotate

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The value of an interrupted run holds a place that the next value needs, so it
// is swept first. If that fails, no value is made.
func TestBoundedGeneratorIsSweptBeforeItMakesAValue(t *testing.T) {
	s, _, g := withLogins(t, every(30))
	g.most = 2
	r := newRun(s.Operator, s.all(order{op: orderApply}), "apply")
	for r.stage != stageMake {
		require.NoError(t, r.step(t.Context()))
	}
	require.NoError(t, r.step(t.Context())) // it makes the value, and is killed
	require.Len(t, g.ids(), 1)
	g.calls = nil

	g.sweep = errors.New("the server is out of reach")
	result, err := s.seen(s.apply())
	require.NoError(t, err)
	require.ErrorContains(t, result.Failed[0], "$SECRET.storage.r2: the remains of an interrupted run could not be swept "+
		"up, so test/tokens makes no value yet: the server is out of reach")
	require.False(t, slices.Contains(g.calls, "make"))

	g.calls, g.sweep = nil, nil
	require.Equal(t, []string{"create v1"}, s.did(s.apply()))
	require.Equal(t, []string{"sweep", "make"}, g.calls[:2])
	require.Len(t, g.ids(), 1)
	require.Equal(t, []string{"token-2"}, g.ids())
}

// The program of a run that was killed goes on without it. A value that it makes
// then is ended too, however short the margin is.
func TestValueThatAKilledRunMakesLateIsEnded(t *testing.T) {
	for name, remove := range map[string]bool{"taken over": false, "removed": true} {
		t.Run(name, func(t *testing.T) {
			s, key, g := withLogins(t, every(30))
			s.Margin = time.Second
			r := newRun(s.Operator, s.all(order{op: orderApply}), "apply")
			for r.stage != stageMake {
				require.NoError(t, r.step(t.Context()))
			}
			late := s.record(key).Making.Name // and now the run is killed
			if remove {
				s.declare()
				s.did(s.remove(key))
			} else {
				s.did(s.apply())
			}
			s.pass(time.Minute)
			s.did(s.rotate())
			s.pass(longestMake - 2*time.Minute)
			g.mint(late)
			s.did(s.rotate())
			for _, id := range g.ids() {
				require.NotEqual(t, late, g.names[id])
			}
			s.pass(2 * time.Minute)
			s.did(s.rotate())
			require.Empty(t, s.state().Sweep)
		})
	}
}
