package rotate

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/slow"
)

// Plan returns the actions that a rotate then takes. It changes and draws
// nothing.
func TestPlanIsWhatRotateDoes(t *testing.T) {
	for name, op := range operations() {
		if op.op == "rename" || name == "repair" || name == "adopt" {
			continue // the store differs from the ledger
		}
		for _, d := range []time.Duration{0, day, 3 * day, 12 * day, 31 * day, 100 * day} {
			t.Run(fmt.Sprint(name, " and ", d), func(t *testing.T) {
				s, _ := op.begin(t)
				s.pass(d)
				st, _, err := s.ledger.Load(t.Context())
				require.NoError(t, err)
				before, drawn := s.picture(), len(s.drawn)
				planned := Plan(st, s.Spec.Secrets, s.at)
				require.Equal(t, planned, Plan(st, s.Spec.Secrets, s.at))
				require.Equal(t, before, s.picture())
				require.Len(t, s.drawn, drawn)
				s.watch(planned)

				dry := *s.Operator
				dry.DryRun = true
				r, err := s.unchanged(func() (Result, error) { return dry.Rotate(t.Context(), RotateOptions{}) })
				require.NoError(t, err)
				require.Equal(t, planned, r.Actions, "--dry-run")

				// After the store's confirmation the run decides again, so it may take several
				// steps at once.
				r, err = s.seen(s.rotate())
				require.NoError(t, err)
				require.GreaterOrEqual(t, len(r.Actions), len(planned))
				require.Equal(t, planned, r.Actions[:len(planned):len(planned)])
				if len(planned) == 0 {
					require.Empty(t, r.Actions)
				}
			})
		}
	}
}

// large returns a settled ledger of n secrets with 50 versions each.
func large(n int) (State, []secret.SpecSecret, time.Time) {
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	st := *NewState(Settings{}).state()
	var specs []secret.SpecSecret
	for i := range n {
		addr := secret.Address{Namespace: "auth", Name: fmt.Sprintf("key-%06d", i)}
		spec := secret.SpecSecret{Address: addr, Kind: secret.KindRandom, Namespace: addr.Namespace, Name: addr.Name,
			Binding:    addr.Binding(),
			SecretName: addr.Binding(), Bytes: 32, Rotation: &secret.Rotation{EveryDays: 30,
				Retain: secret.Retention{Mode: secret.RetainForever}}}
		specs = append(specs, spec)
		r := &record{Address: addr, Name: addr.Binding(), Kind: secret.KindRandom, Gen: 50, Highest: 50, Current: "v50",
			Created: now.Add(-1500 * day), Rotated: now}
		for v := 1; v <= 50; v++ {
			r.Versions = append(r.Versions, version{ID: "v" + strconv.Itoa(v),
				Value:      "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12345",
				ActiveFrom: now.Add(time.Duration(v-51) * 30 * day)})
		}
		r.Published = &published{Gen: 50, Note: st.newNote(r.Name, 50, "v50", "text"), Modified: "1"}
		st.Secrets = append(st.Secrets, r)
	}
	return wrapState(&st), specs, now
}

func TestPlanIsLinear(t *testing.T) {
	slow.Timed(t)
	took := func(n int) time.Duration {
		st, specs, now := large(n)
		best := time.Hour
		for range 3 {
			begin := time.Now()
			require.Empty(t, Plan(st, specs, now))
			best = min(best, time.Since(begin))
		}
		return best
	}
	small, big := took(1000), took(10_000)
	t.Log("1,000 × 50:", small, " 10,000 × 50:", big)
	require.Less(t, big, 2*time.Second)
	require.Less(t, big, 40*max(small, time.Millisecond))
}

func BenchmarkPlan(b *testing.B) {
	for _, due := range []bool{false, true} {
		st, specs, now := large(10_000)
		if due {
			now = now.Add(40 * day)
		}
		b.Run(fmt.Sprintf("due=%t", due), func(b *testing.B) {
			for b.Loop() {
				Plan(st, specs, now)
			}
		})
	}
}
