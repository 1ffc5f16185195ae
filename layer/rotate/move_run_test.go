package rotate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// moved moves the ledger of a scene. Later runs use the new place.
func (s *scene) moved() {
	s.t.Helper()
	to := new(MemoryLedger)
	_, err := Move(s.t.Context(), s.ledger, to, MoveOptions{From: "old", To: "new", By: "mover"})
	require.NoError(s.t, err)
	s.ledger = to
	s.Ledger = to
}

// TestMoveUnderARun moves the ledger between any two steps of a run. That run
// ends with the ledger's new place. A run there, after it or before it has
// noticed, finishes its work, to the same final state as without a move.
func TestMoveUnderARun(t *testing.T) {
	ctx := context.Background()
	for name, op := range operations() {
		if name == "adopt" {
			continue // it removes the fence
		}
		for _, overtaken := range []bool{false, true} {
			if overtaken && slices.Contains(op.keys, crashMade) {
				continue // these tokens have names from the ledger that the test checks
			}
			t.Run(fmt.Sprintf("%s, overtaken %v", name, overtaken), func(t *testing.T) {
				t.Parallel()
				s, g := op.begin(t)
				_, err := s.seen(s.run(ctx, op.orders(s), op.op))
				require.NoError(t, err)
				s.did(s.rotate())
				s.still()
				// Fresh times repair a late request of the other run.
				want := endOf(s, g, !overtaken)
				for steps, all := 0, false; !all; steps++ {
					s, g := op.begin(t)
					gen, drawn := s.state().Gen, maps.Clone(s.drawn)
					old := *s.Operator // keeps using the old ledger
					r := newRun(&old, op.orders(s), op.op)
					for range steps {
						if r.stage != stageDone {
							require.NoError(t, r.step(ctx))
						}
					}
					all = r.stage == stageDone
					was := s.ledger
					s.moved()
					changes := was.n
					goOn := func() {
						for err := error(nil); r.stage != stageDone && err == nil; {
							if err = r.step(ctx); err != nil {
								_, _ = s.seen(Result{}, err)
								require.ErrorContains(t, err, "this ledger has moved to new: use that one", "after step %d", steps)
							}
						}
						require.Equal(t, changes, was.n, "the old ledger is not changed any more")
					}
					if !overtaken {
						goOn()
					}
					made := slices.ContainsFunc(s.state().Secrets, func(r *record) bool { return r.Making != nil })
					if s.state().Gen == gen+2 || made {
						// The ledger has nothing from it: order it again, and draw the same values.
						s.drawn = drawn
						_, err := s.seen(s.run(ctx, op.orders(s), op.op))
						require.NoError(t, err)
					}
					s.did(s.rotate())
					if overtaken {
						goOn()
						s.did(s.rotate())
					}
					require.Equal(t, want, endOf(s, g, !overtaken), "after step %d", steps)
					s.still()
					require.True(t, !all || steps > 2)
				}
			})
		}
	}
}

// No operation changes the store either. Each error names the new place. Status
// works as before.
func TestMovedLedgerIsNotChanged(t *testing.T) {
	key, other := aRandom("key", retained(10)), aStatic("stripe", retained(10))
	renamed := aRandom("renamed", retained(10))
	for name, do := range map[string]func(s *scene) (Result, error){
		"apply":    func(s *scene) (Result, error) { return s.apply() },
		"rotate":   func(s *scene) (Result, error) { return s.rotate() },
		"now":      func(s *scene) (Result, error) { return s.rotateNow() },
		"set":      func(s *scene) (Result, error) { return s.set(other, "sk_live_another_value") },
		"rollback": func(s *scene) (Result, error) { return s.rollback(key, true) },
		"revoke":   func(s *scene) (Result, error) { return s.revoke(key, "v1") },
		"rename": func(s *scene) (Result, error) {
			s.declare(renamed, other)
			return s.Rename(context.Background(), key.Address(), renamed.Address())
		},
		"remove": func(s *scene) (Result, error) {
			s.declare(other)
			return s.Remove(context.Background(), key.Address())
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, key, other)
			s.did(s.set(other, "sk_live_first_value"))
			s.flip2(key)
			old := s.ledger
			s.moved()
			s.ledger, s.Ledger = old, old
			err := s.stopped(func() (Result, error) { return do(s) })
			require.ErrorIs(t, err, Moved)
			require.ErrorContains(t, err, "this ledger has moved to new: use that one")
			s.DryRun = true
			_, err = s.seen(s.unchanged(func() (Result, error) { return do(s) }))
			require.NoError(t, err, "it can still be looked at")
			s.declare(key, other)
			require.Equal(t, "v2", s.status(key.Address()).Current)
		})
	}
}

// flip2 continues to the second phase when other secrets are declared.
func (s *scene) flip2(key *secret.Secret) {
	s.t.Helper()
	s.did(s.apply())
	s.pass(time.Hour)
	s.did(s.rotate(RotateOptions{Now: true, Only: []secret.Address{key.Address()}}))
	s.pass(day)
	s.did(s.rotate())
}

// TestAdoptResumes checks that a confirmed adoption removes the fence, with or
// without other work. A dry run does not.
func TestAdoptResumes(t *testing.T) {
	key := aRandom("key", retained(10))
	for name, tc := range map[string]struct {
		declared []*secret.Secret
		due      bool
		only     []secret.Address
		want     []string
	}{
		"nothing else to do": {declared: []*secret.Secret{key}},
		"one of them":        {declared: []*secret.Secret{key}, only: []secret.Address{key.Address()}},
		"something due":      {declared: []*secret.Secret{key}, due: true, want: []string{"add v2"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, key)
			s.did(s.apply())
			s.declare(tc.declared...)
			if tc.due {
				s.pass(31 * day)
			}
			old := s.ledger
			s.moved()
			s.ledger, s.Ledger = old, old
			how := RotateOptions{Adopt: true, Only: tc.only}
			gen := s.state().Gen

			s.DryRun = true
			r, err := s.unchanged(func() (Result, error) { return s.rotate(how) })
			require.Equal(t, tc.want, s.actions(r, err))
			require.Equal(t, "new", old.state.Moved(), "a look takes no fence away")

			s.DryRun = false
			require.Equal(t, tc.want, s.did(s.rotate(how)))
			require.Empty(t, old.state.Moved())
			log := old.state.Log()
			i := slices.IndexFunc(log, func(e LogEntry) bool { return e.Op == "resume" })
			require.Positive(t, i)
			require.Equal(t, LogEntry{Gen: gen + 1, At: s.at, By: "tester", Op: "resume"}, log[i])
			s.still()
			s.did(s.rotate(how))
			require.Equal(t, gen+1, log[i].Gen, "it is taken away once")
		})
	}
	t.Run("others at work", func(t *testing.T) {
		// Two runs remove it at once, and a third moves the ledger: each continues with
		// the others' results.
		s := newScene(t, key)
		s.did(s.apply())
		old := s.ledger
		s.moved()
		s.ledger, s.Ledger = old, old
		first, second := newRun(s.Operator, s.all(order{op: orderRotate, adopt: true}), "rotate"), newRun(s.Operator,
			s.all(order{op: orderRotate, adopt: true}), "rotate")
		for _, r := range []*run{first, second, first, second} {
			require.NoError(t, r.step(t.Context()))
		}
		require.Equal(t, stageLoad, second.stage, "another run was faster")
		for _, r := range []*run{first, second} {
			for r.stage != stageDone {
				require.NoError(t, r.step(t.Context()))
			}
		}
		require.Len(t, slices.DeleteFunc(old.state.Log(), func(e LogEntry) bool { return e.Op != "resume" }), 1)
	})
}
