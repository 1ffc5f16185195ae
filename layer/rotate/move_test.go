package rotate

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

const mostCalls = 9 // in a Move that meets a fault

func TestMoveEndsWithOneLedgerInUse(t *testing.T) {
	j := newJourney(t)
	before := j.a.state
	trip, s, err := j.move(nil, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a load", "b load", "a swap", "a load", "b load", "b swap"}, trip.log)
	j.arrived()
	require.True(t, s.Equal(j.b.state))
	require.Equal(t, before.Settings(), s.Settings())
	require.Equal(t, before.Generation()+2, s.Generation(), "the fence, and the ledger without it")
	log := s.Log()
	require.Equal(t, LogEntry{Gen: before.Generation() + 1, At: log[len(log)-1].At, By: "mover", Op: "move",
		IDs: []string{"b"}}, log[len(log)-1])

	// Again, also after others continued with the ledger, for longer than the ring
	// of writes: it changes nothing.
	for range keepWrites + 3 {
		_, again, err := j.move(nil, nil)
		require.NoError(t, err)
		require.True(t, again.Equal(j.b.state))
		j.change(j.b)
	}
	require.Equal(t, before.Generation()+1, j.a.state.Generation())
	j.whole(j.b)
}

// TestMoveFaults lets one Move meet any fault at any call, the next one any
// other, and late requests arrive at any time. A Move without a fault finishes.
// Two ledgers are never in use, and no change is lost.
func TestMoveFaults(t *testing.T) {
	for first := noFault; first < faults; first++ {
		t.Run(fmt.Sprint("first ", first), func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= mostCalls; n++ {
				for second := noFault; second < faults; second++ {
					for m := 1; m <= mostCalls; m++ {
						everyArrival(t, fmt.Sprintf("fault %d at %d, then %d at %d", first, n, second, m), func(j *journey) {
							_, _, _ = j.move(atCall(n, first), nil)
							_, _, _ = j.move(atCall(m, second), nil)
						})
					}
				}
			}
		})
	}
}

// TestMoveTwoAtOnce makes a second Move between any two calls of the first, and
// each meets any fault at any call. Two ledgers are never in use, and no change
// is lost.
func TestMoveTwoAtOnce(t *testing.T) {
	t.Parallel()
	each := fault(1)
	if slow.Raced || !slow.All() {
		each = 3 // the calls here are not concurrent
	}
	for first := noFault; first < faults; first++ {
		t.Run(fmt.Sprint("first ", first), func(t *testing.T) {
			t.Parallel()
			for between := 1; between <= mostCalls; between++ {
				for n := 1; n <= mostCalls; n++ {
					for second := noFault; second < faults; second += each {
						for m := 1; m <= mostCalls; m++ {
							what := fmt.Sprintf("fault %d at %d, and %d at %d of another before %d", first, n, second, m, between)
							everyArrival(t, what, func(j *journey) {
								_, _, _ = j.move(atCall(n, first), func(call int) {
									if call == between {
										_, _, _ = j.move(atCall(m, second), nil)
									}
								})
							})
						}
					}
				}
			}
		})
	}
}

// TestMoveWhileOthersChange lets others change the ledger in use, before any
// two calls, as often as they like. Every change that was acknowledged is
// finally in the moved ledger. If others are always faster, the Move reports
// that, and no change is lost.
func TestMoveWhileOthersChange(t *testing.T) {
	for n := 1; n <= mostCalls; n++ {
		for m := n; m <= mostCalls; m++ {
			for _, often := range []int{1, 2, keepWrites + 1} {
				for _, f := range []fault{noFault, faultRefused, faultAnswer} {
					j := newJourney(t)
					j.what = fmt.Sprintf("%d changes before calls %d and %d, fault %d", often, n, m, f)
					_, _, _ = j.move(atCall(m, f), func(call int) {
						if call == n || call == m {
							for range often {
								j.change(j.a)
								j.change(j.b)
							}
						}
					})
					_, _, err := j.move(nil, nil)
					require.NoError(t, err, j.what)
					require.Equal(t, "b", j.inUse(), j.what)
					j.whole(j.b)
				}
			}
		}
	}
	t.Run("always", func(t *testing.T) {
		j := newJourney(t)
		_, _, err := j.move(nil, func(int) { j.change(j.a) })
		require.ErrorIs(t, err, ErrConflict)
		require.ErrorContains(t, err, "20 times: run it again when the others have finished")
		require.Equal(t, "a", j.inUse())
		j.whole(j.a)
		_, _, err = j.move(nil, nil)
		require.NoError(t, err)
		j.arrived()
	})
}

// TestMoveRefused checks that the old ledger stays in use if the new place
// refuses it, and that every other problem is reported with the next step.
func TestMoveRefused(t *testing.T) {
	t.Run("put back into use", func(t *testing.T) {
		j := newJourney(t)
		gen := j.a.state.Generation()
		_, _, err := j.move(atCall(6, faultRefused), nil)
		require.ErrorIs(t, err, errLost)
		require.ErrorContains(t, err, "The old ledger is in use as before")
		require.Equal(t, "a", j.inUse())
		require.Equal(t, gen+2, j.a.state.Generation())
		log := j.a.state.Log()
		require.Equal(t, []Op{"move", "resume"}, []Op{log[len(log)-2].Op, log[len(log)-1].Op})
		j.change(j.a)
		_, _, err = j.move(nil, nil)
		require.NoError(t, err)
		j.arrived()
	})
	t.Run("not put back", func(t *testing.T) {
		for _, f := range []fault{faultRefused, faultLost, faultAnswer} {
			j := newJourney(t)
			_, _, err := j.move(func(n int) fault { return map[int]fault{6: faultRefused, 7: f}[n] }, nil)
			require.ErrorIs(t, err, errLost)
			require.ErrorContains(t, err, "and the old ledger cannot be put back into use: ")
			require.ErrorIs(t, err, HalfMoved)
			_, _, err = j.move(nil, nil)
			require.NoError(t, err)
			j.arrived()
		}
	})
	t.Run("under an earlier fence", func(t *testing.T) {
		j := newJourney(t)
		_, _, err := j.move(atCall(6, faultLate), nil)
		require.ErrorIs(t, err, ErrUnknown)
		require.ErrorContains(t, err, "Until then no run changes the ledger: move it again, which goes on")
		_, _, err = j.move(atCall(6, faultRefused), nil)
		require.ErrorIs(t, err, errLost)
		require.ErrorIs(t, err, HalfMoved)
		require.ErrorContains(t, err, "a late write of that move may still arrive")
		require.Empty(t, j.inUse(), "neither: it is not known what becomes of the first request")
		j.arrive()
		_, _, err = j.move(nil, nil)
		require.NoError(t, err)
		j.arrived()
	})
	t.Run("the context ends", func(t *testing.T) {
		j := newJourney(t)
		_, _, err := j.move(atCall(6, faultEnds), nil)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "Until then no run changes the ledger: move it again, which goes on")
		require.Empty(t, j.inUse(), "nothing more is begun then")
	})
}

// TestMoveRefuses checks that an impossible Move is reported before anything
// changes.
func TestMoveRefuses(t *testing.T) {
	ctx := context.Background()
	commit := func(l *MemoryLedger, s State) State {
		_, rev, err := l.Load(ctx)
		if rev != "" {
			require.NoError(t, err)
		}
		s, _, err = Commit(ctx, l, rev, s)
		require.NoError(t, err)
		return s
	}
	for name, tc := range map[string]struct {
		put   func(a, b *MemoryLedger) // into a, whose ledger is in use, and b, which has none
		names MoveOptions              // empty: from a to b
		says  []string
		kind  Kind
	}{
		"one place":       {names: MoveOptions{From: "a", To: "a"}, says: []string{"name two"}},
		"no first place":  {names: MoveOptions{To: "a"}, says: []string{"name two"}},
		"no second place": {names: MoveOptions{From: "a"}, says: []string{"name two"}},
		"no ledger":       {put: func(a, _ *MemoryLedger) { *a = MemoryLedger{} }, says: []string{"not found"}},
		"another ledger": {put: func(_, b *MemoryLedger) { commit(b, NewState(Settings{})) },
			says: []string{"another ledger is in b, and is not overwritten: name another place"}},
		"another's remains": {put: func(_, b *MemoryLedger) { commit(b, NewState(Settings{}).MovedTo("a")) },
			says: []string{"another ledger is in b"}},
		"another, and a fence here": {put: func(a, b *MemoryLedger) {
			commit(a, a.state.MovedTo("b"))
			commit(b, NewState(Settings{}))
		}, says: []string{"another ledger is in b"}},
		"a copy of the same state": {put: func(a, b *MemoryLedger) { b.n, b.state = a.n, a.state },
			says: []string{"a and b hold the same: they are one place under two names, or one of the two is a copy"}},
		"a copy that is behind": {put: func(a, b *MemoryLedger) {
			b.n, b.state = a.n, a.state
			commit(a, a.state)
		}, says: []string{"the same ledger is in b, and no move put it there: one of the two is a copy",
			"Delete the one that is behind"}, kind: Copies},
		"a copy that went on": {put: func(a, b *MemoryLedger) {
			b.n, b.state = a.n, a.state
			commit(b, a.state)
		}, says: []string{"the same ledger is in b, and no move put it there"}},
		"remains that are ahead": {put: func(a, b *MemoryLedger) {
			b.n, b.state = a.n, a.state
			commit(b, commit(b, b.state).MovedTo("c"))
		}, says: []string{"the same ledger is in b, and no move put it there"}},
		"moved elsewhere": {put: func(a, _ *MemoryLedger) { commit(a, a.state.MovedTo("c")) },
			says: []string{"a has moved to c: move that one"}, kind: Moved},
		"a copy, made before the fence": {put: func(a, b *MemoryLedger) {
			b.n, b.state = a.n, a.state
			commit(a, a.state.MovedTo("b"))
		}, says: []string{"a has moved to b, and the ledger there does not come from it: one of the two is a copy"},
			kind: Copies},
		"a copy that went on, made before the fence": {put: func(a, b *MemoryLedger) {
			b.n, b.state = a.n, a.state
			for range 5 {
				commit(b, b.state)
			}
			commit(a, a.state.MovedTo("b"))
		}, says: []string{"does not come from it"}},
		"moved on": {put: func(a, b *MemoryLedger) {
			b.n, b.state = 1, commit(a, a.state.MovedTo("b")).MovedTo("").stamped()
			commit(b, b.state.MovedTo("c"))
		}, says: []string{"a has moved to b, and that has moved on to c: if the ledger is not in use there, move it from b " +
			"to c"}},
		"half moved back": {put: func(a, b *MemoryLedger) {
			b.n, b.state = 1, commit(a, a.state.MovedTo("b")).MovedTo("").stamped()
			commit(b, b.state.MovedTo("a"))
		}, says: []string{"that has moved on to a", "move it from b to a"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJourney(t)
			if tc.put != nil {
				tc.put(j.a, j.b)
			}
			if tc.names == (MoveOptions{}) {
				tc.names = MoveOptions{From: "a", To: "b"}
			}
			before := j.picture()
			_, err := Move(ctx, j.a, j.b, tc.names)
			for _, want := range tc.says {
				require.ErrorContains(t, err, want)
			}
			if tc.kind != "" {
				require.ErrorIs(t, err, tc.kind)
			}
			require.NotErrorIs(t, err, ErrConflict)
			require.Equal(t, before, j.picture(), "nothing was changed")
		})
	}
}

// TestMoveBackAndForth moves among three places, repeatedly, with changes in
// each. A ledger that was left is overwritten. A ledger in use is not.
func TestMoveBackAndForth(t *testing.T) {
	j := newJourney(t)
	places := map[string]*MemoryLedger{"a": j.a, "b": j.b, "c": new(MemoryLedger)}
	at := "a"
	for i, next := range []string{"b", "a", "b", "a", "b", "c", "a", "c", "b", "c", "a"} {
		before := places[at].state
		s, err := Move(t.Context(), places[at], places[next],
			MoveOptions{From: at, To: next, By: "mover", Target: fmt.Sprint("dir:", i)})
		require.NoError(t, err)
		require.Equal(t, before.Generation()+2, s.Generation())
		require.Equal(t, fmt.Sprint("dir:", i), s.Settings().Target)
		for name, l := range places {
			if l.n > 0 {
				require.Equal(t, name == next, l.state.Moved() == "", "in use: %s", name)
			}
		}
		require.Equal(t, next, places[at].state.Moved())
		// Each of the other places contains the new place, and layer does not accept it
		// as the ledger.
		for name, l := range places {
			if l.n > 0 && name != next && name != at {
				_, err := Move(t.Context(), l, places[next], MoveOptions{From: name, To: next})
				if l.state.Moved() == next {
					require.NoError(t, err, "it was moved from here before: nothing is to be done")
				} else {
					require.ErrorContains(t, err, name+" has moved to "+l.state.Moved()+": move that one")
				}
			}
		}
		at = next
		for range i * 20 {
			j.change(places[at])
		}
		j.whole(places[at])
	}
}
