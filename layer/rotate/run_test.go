package rotate

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// One swap stores new and changed records: each address has one record, in
// order.
func TestOneRecordAnAddress(t *testing.T) {
	addr := func(i int) secret.Address { return secret.Address{Namespace: "ns", Name: fmt.Sprintf("key-%03d", i)} }
	for n := range 12 {
		for added := range 12 {
			st := &state{}
			for i := range n {
				st.Secrets = append(st.Secrets, &record{Address: addr(2*i + 1)})
			}
			records := []*record{{Address: addr(2 * added), Gen: 7}}
			for i := range n {
				records = append(records, &record{Address: addr(2*i + 1), Gen: 7})
			}
			next := st.with(records...)
			require.Len(t, next.Secrets, n+1)
			require.Len(t, st.Secrets, n)
			for i, r := range next.Secrets {
				require.Equal(t, uint64(7), r.Gen)
				require.Same(t, r, next.find(r.Address))
				require.True(t, i == 0 || compareAddress(next.Secrets[i-1].Address, r.Address) < 0)
			}
		}
	}
}

// busy reports whether the next step of a run makes a call. Other steps need no
// turn.
func (r *run) busy() bool {
	switch r.stage {
	case stageMake:
		return len(r.pass.minting) > 0
	case stagePublish:
		return len(r.pass.items) > 0
	case stageClean:
		return !r.tries.cleaned && len(r.loaded.state.state().Retire)+len(r.loaded.state.state().Sweep) > 0
	}
	return true
}

// turn makes one call of a run.
func turn(t *testing.T, r *run) {
	for r.stage != stageDone {
		busy := r.busy()
		err := r.step(t.Context())
		if err != nil {
			require.ErrorIs(t, err, Stopped, "the other run's action is no failure of this one")
			r.stage = stageDone
		}
		if busy {
			return
		}
	}
}

// together runs two operations on one ledger, in turns, and then all remaining
// work. turns returns the operation of each turn, until one has ended.
func together(t *testing.T, a, b operation, turns func(i int) int) *scene {
	s, _ := a.begin(t)
	runs := []*run{newRun(s.Operator, a.orders(s), a.op), newRun(s.Operator, b.orders(s), b.op)}
	for used := 0; runs[0].stage != stageDone && runs[1].stage != stageDone; used++ {
		turn(t, runs[turns(used)])
	}
	for _, r := range runs {
		for r.stage != stageDone {
			turn(t, r)
		}
		s.seen(r.result(), nil)
	}
	s.did(s.rotate())
	s.still()
	for _, spec := range s.Spec.Secrets {
		r := s.state().find(spec.Address)
		require.Nil(t, r.Intent)
		text, err := r.render(spec, DefaultLimit)
		require.NoError(t, err)
		there, _ := s.store.Text(r.Name)
		require.True(t, text == there, "the store holds the text of the ledger")
	}
	return s
}

// Pairs of concurrent operations that take turns up to three times.
func TestTwoOperationsThatMeet(t *testing.T) {
	ops := operations()
	for _, pair := range [][2]string{
		{"apply", "apply"}, {"add", "add"}, {"flip", "flip"}, {"immediate", "immediate"}, {"immediate", "add"},
		{"flip", "withdraw"}, {"withdraw", "flip"}, {"revoke", "revoke it"},
		{"revoke it", "revoke"}, {"set", "rollback"}, {"rollback", "set"},
		{"set all", "set all"}, {"rename", "rename"}, {"prune", "prune"},
		{"repair", "repair"},
	} {
		t.Run(pair[0]+" and "+pair[1], func(t *testing.T) {
			a, b := ops[pair[0]], ops[pair[1]]
			most := 4
			if slow.All() {
				most = 8
			}
			for i := range most {
				for j := 1; j < most; j++ {
					for k := 1; k < most; k += 4 {
						s := together(t, a, b, func(n int) int {
							if n < i || i+j <= n && n < i+j+k {
								return 0
							}
							return 1
						})
						if pair[0] == "apply" || pair[0] == "add" || pair[0] == "flip" && pair[1] == "flip" {
							require.Len(t, s.ids(crashKey), map[string]int{"apply": 1, "add": 2, "flip": 2}[pair[0]],
								"one of the two made it")
						}
					}
				}
			}
		})
	}
}
