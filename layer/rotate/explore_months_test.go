package rotate

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// months is a long life with three secrets, two operators and every fault,
// drawn from a seed.
type months struct {
	*walker
	*rand.Rand
	w    *world
	sets int
	as   int // the present variant of the declarations
}

// step makes one move.
func (m *months) step() error {
	w := m.w
	for who := range w.runs {
		if w.runs[who] == nil || m.IntN(3) == 0 {
			continue
		}
		goes := goesWell
		switch n := m.IntN(40); {
		case n == 0:
			w.runs[who] = nil
			w.note(func() string { return fmt.Sprintf("%c crashes", 'A'+who) })
			return nil
		case n < 3:
			goes = m.badLuck(w.runs[who])
		}
		did, err := m.walker.step(w, who, goes)
		w.note(func() string { return fmt.Sprintf("%c: %s %s", 'A'+who, did, goes) })
		return err
	}
	for i, f := range w.flights {
		if m.IntN(20) == 0 {
			w.flights = slices.Delete(slices.Clone(w.flights), i, i+1)
			w.note(func() string { return fmt.Sprintf("the late request arrives (%s)", f) })
			return w.arrive(f, -1)
		}
	}
	if who := m.IntN(2); w.runs[who] == nil && m.IntN(3) > 0 {
		return m.command(who)
	}
	next := w.at.Add(time.Duration(m.Int64N(int64(40 * time.Hour))))
	if w.runs != [2]*run{} && m.IntN(4) > 0 {
		next = w.at.Add(time.Duration(m.Int64N(int64(time.Minute))))
	}
	for _, f := range w.flights {
		if f.until.Before(next) {
			next = f.until
		}
	}
	w.at = next
	w.note(func() string { return "it is " + shown(next) })
	if err := w.tick(); err != nil {
		return err
	}
	return w.arriveDue()
}

// badLuck draws the outcome of a run's next call.
func (m *months) badLuck(r *run) outcome {
	which := map[stage]call{stageDecide: callSwap, stageInspect: callInspect, stageLook: callInspect,
		stagePublish: callPublish,
		stageMake:    callMake, stageClean: callClean}[r.stage]
	if r.stage == stageMake && len(r.pass.minting) == 0 {
		which = callPublish
	}
	list := otherOutcomes[which]
	if len(list) == 0 {
		return goesWell
	}
	return list[m.IntN(len(list))]
}

// command begins a command: usually a rotation of everything, sometimes a
// command for one secret.
func (m *months) command(who int) error {
	w := m.w
	c := rotateCommand
	specs := w.spec.Secrets
	spec := specs[m.IntN(len(specs))]
	static := spec.Kind == secret.KindStatic
	versions := 0
	if rec := w.ledger.state().find(spec.Address); rec != nil {
		versions = rec.Highest
	}
	only := true
	switch n := m.IntN(60); {
	case static && (versions == 0 || n < 4):
		m.sets++
		c = setCommand("set by hand " + strconv.Itoa(m.sets))
	case n == 5:
		c = nowCommand
	case n == 6:
		c = immediateCommand
	case n == 7:
		c = rollbackCommand
	case n == 8 && versions > 0:
		c = command{name: "revoke", op: "revoke", one: order{op: orderRevoke, version: "v" + strconv.Itoa(1+m.IntN(versions)),
			immediate: true}}
	default:
		only = false
	}
	if m.IntN(60) == 0 {
		m.as = m.IntN(1 + len(w.variants))
	}
	c = c.by(m.as)
	err := m.begin(w, who, c)
	if only {
		r := w.runs[who]
		for addr := range r.orders {
			if addr != spec.Address {
				delete(r.orders, addr)
			}
		}
	}
	w.note(func() string { return fmt.Sprintf("%c begins %s of %s", 'A'+who, c.name, spec.Address) })
	return err
}

var (
	livesFlag = flag.Int("lives", 0,
		"how many lives TestMonthsOfRotations goes through; 0: as many as the tests that were asked for say")
	seedFlag = flag.Uint64("seed", 1, "which life is the first")
)

// TestMonthsOfRotations simulates 18 months repeatedly.
func TestMonthsOfRotations(t *testing.T) {
	lives, seed := *livesFlag, *seedFlag
	switch {
	case lives > 0:
	case slow.All() && !slow.Raced:
		lives = 24
	default:
		lives = 3
	}
	// The static secret is a document and a bare value by turns.
	s := times(day, day, time.Minute).forms(longLived(&secret.Rotation{EveryDays: 90}), longLived(nil))
	moves, published := 0, 0
	for i := range lives {
		m := &months{walker: newWalker(&s), Rand: rand.New(rand.NewPCG(seed+uint64(i), 0)), w: newWorld(&s)}
		end := m.w.at.Add(548 * day)
		for ; m.w.at.Before(end); moves++ {
			if err := m.step(); err != nil {
				t.Fatalf("seed %d: %v\nafter\n%s", seed+uint64(i), err, m.w.last.tail(60))
			}
		}
		m.w.last = nil
		require.NoError(t, m.finishes(m.w, false), "seed %d: %v", seed+uint64(i), m.w.last)
		published += m.w.writes
	}
	t.Logf("seeds %d to %d: %d lives of 18 months, %d moves, %d documents published", seed, seed+uint64(lives)-1, lives,
		moves, published)
}

// longLived are the declarations of a long life.
func longLived(rotation *secret.Rotation) secret.Spec {
	return specOf(
		secret.Random(secret.Options{Namespace: "auth", Name: "key", Bytes: 16,
			Rotation: &secret.Rotation{EveryDays: 30, Retain: secret.Retention{Mode: secret.RetainFor, Days: 10}}}),
		secret.Static(secret.Options{Namespace: "mail", Name: "password", Rotation: rotation}),
		secret.Generated(secret.Options{Namespace: "r2", Name: "token", Generator: "fake",
			Rotation: &secret.Rotation{EveryDays: 14}}),
	)
}
