package rotate

import (
	"fmt"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// Plan tells what a rotate at now would do to the declared secrets, if the store holds what the ledger says: values that are
// missing are created, due rotations begun or finished, expired versions pruned. It changes nothing, draws nothing, and takes
// time in proportion to the versions. What needs a person is not an action: see [Operator.Status].
func Plan(state State, specs []secret.SpecSecret, now time.Time) []Action {
	st := state.state()
	d := newDesk(st, st.policy(now, 0, 0, 0))
	d.mint = func(spec secret.SpecSecret) string { return strings.Repeat("A", textLength(spec)) }
	d.able = func(string) bool { return true }
	d.made = plannedValue
	var actions []Action
	for _, spec := range specs {
		r := st.find(spec.Address)
		found := sighting{}
		switch {
		case r.empty():
		case r.Intent != nil:
			// Unknown until the store is asked: it is finished before anything else.
			actions = append(actions, Action{Address: spec.Address, Action: OpPublish, Version: r.Current})
			continue
		case r.Published != nil:
			found = sighting{Published: driver.Published{Note: r.Published.Note, Modified: r.Published.Modified}, exists: true}
		}
		name := spec.SecretName
		if !r.empty() {
			name = r.Name
		}
		actions = append(actions, d.decide(spec, name, r, found, order{op: orderRotate}).actions...)
	}
	return actions
}

// plannedValue stands for what a generator would make.
func plannedValue(secret.Address) (version, bool) { return version{Value: "planned"}, true }

func textLength(spec secret.SpecSecret) int {
	if spec.Encoding == secret.EncodingRaw {
		return spec.Bytes
	}
	return (spec.Bytes*4 + 2) / 3
}

// policy returns what lives are reckoned by: what one command was told, else the ledger's settings, else the defaults.
func (s *state) policy(now time.Time, window, margin time.Duration, limit int) policy {
	p := policy{now: now, window: first(window, s.Config.Window, day), margin: first(margin, s.Config.Margin, day), limit: limit}
	if p.limit == 0 {
		p.limit = DefaultLimit
	}
	p.overdue = day
	return p
}

func first(list ...time.Duration) time.Duration {
	for _, d := range list {
		if d != 0 {
			return d
		}
	}
	return 0
}

func newDesk(st *state, p policy) *desk {
	return &desk{policy: p, state: st,
		mint: randomText,
		made: func(secret.Address) (version, bool) { return version{}, false },
		title: func(spec secret.SpecSecret) string {
			return fmt.Sprintf("layer %.8s %.60s %s", st.ID, spec.Address.String(), randomHex(6))
		},
		able:  func(string) bool { return false },
		sent:  func(secret.Address) (uint64, bool) { return 0, false },
		sum:   func(string) string { return "" },
		judge: func(v verdict, _ sighting, _ *record) verdict { return v },
	}
}
