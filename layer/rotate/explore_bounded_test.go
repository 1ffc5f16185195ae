package rotate

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// forgetful returns the state without any version that has left: a harder bound
// than keepGone. A write of this state has the same id.
func forgetful(s State) State {
	next := *s.state()
	next.Secrets = nil
	for _, r := range s.state().Secrets {
		next.Secrets = append(next.Secrets, r.bounded(0))
	}
	return wrapState(&next)
}

// No decision depends on a version that has left: the exploration finds nothing
// wrong with a ledger that keeps none. So the bound may be any number.
func TestEveryInterleavingIsSafeWithoutAPast(t *testing.T) {
	for _, s := range scenarios() {
		s.most = min(most(), 4_000)
		s.forgets = true
		t.Run(s.name, func(t *testing.T) {
			if r := explore(t, s); r.broken != nil {
				t.Fatalf("%v\nafter\n%s", r.broken.err, r.broken.w.last)
			}
		})
	}
}

func TestMonthsOfRotationsWithoutAPast(t *testing.T) {
	lives := 1
	if slow.All() && !slow.Raced {
		lives = 8
	}
	s := times(day, day, time.Minute)
	s = s.forms(longLived(&secret.Rotation{EveryDays: 90}), longLived(nil))
	s.forgets = true
	for i := range lives {
		m := &months{walker: newWalker(&s), Rand: rand.New(rand.NewPCG(uint64(1000+i), 0)), w: newWorld(&s)}
		for end := m.w.at.Add(548 * day); m.w.at.Before(end); {
			if err := m.step(); err != nil {
				t.Fatalf("seed %d: %v\nafter\n%s", 1000+i, err, m.w.last.tail(60))
			}
		}
		m.w.last = nil
		require.NoError(t, m.finishes(m.w, false))
		for _, r := range m.w.ledger.state().Secrets {
			require.Greater(t, r.Highest, len(r.Versions), "the history is long")
		}
	}
}
