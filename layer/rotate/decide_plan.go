package rotate

import (
	"fmt"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file predicts decisions without a target. It uses the same pure function
// as a run, so that a plan cannot differ from the run.

// Plan returns the actions that [Operator.Rotate] would perform at now on the
// declared secrets, if the target holds the texts that the ledger records. It
// creates missing values, begins or finishes due rotations and prunes expired
// versions. A secret that needs an operator has no action: see
// [Operator.Status].
//
// Plan changes nothing and uses no random bytes. Its time grows with the number
// of versions.
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
			// The run finishes the intent before anything else. Its outcome is unknown
			// until the target is inspected.
			actions = append(actions, Action{Address: spec.Address, Action: OpPublish, Version: r.Current})
			continue
		case r.Published != nil:
			found = sighting{exists: true,
				Published: driver.Published{Note: r.Published.Note, Modified: r.Published.Modified}}
		}
		name := spec.SecretName
		if !r.empty() {
			name = r.Name
		}
		actions = append(actions, d.decide(spec, name, r, found, order{op: orderRotate}).actions...)
	}
	return actions
}

// plannedValue replaces the result of a generator in a plan.
func plannedValue(secret.Address) (version, bool) { return version{Value: "planned"}, true }

// textLength returns the length in bytes of a random secret's value.
func textLength(spec secret.SpecSecret) int {
	if spec.Encoding == secret.EncodingRaw {
		return spec.Bytes
	}
	return (spec.Bytes*4 + 2) / 3
}

// policy returns the policy of one command. Where an argument is zero, the
// ledger's settings apply, and then the defaults.
func (s *state) policy(now time.Time, window, margin time.Duration, limit int) policy {
	p := policy{now: now, limit: limit,
		window: first(window, s.Config.Window, day), margin: first(margin, s.Config.Margin, day)}
	if p.limit == 0 {
		p.limit = DefaultLimit
	}
	p.overdue = day
	return p
}

// first returns the first duration that is not zero, or 0.
func first(list ...time.Duration) time.Duration {
	for _, d := range list {
		if d != 0 {
			return d
		}
	}
	return 0
}

// newDesk returns a desk without generators, and on which the run has sent
// nothing.
func newDesk(st *state, p policy) *desk {
	return &desk{policy: p, state: st,
		mint: randomText,
		made: func(secret.Address) (version, bool) { return version{}, false },
		title: func(spec secret.SpecSecret) string {
			return fmt.Sprintf("layer %.8s %.60s %s", st.ID, spec.Address.String(), randomHex(6))
		},
		able:   func(string) bool { return false },
		asks:   func(string) bool { return false },
		most:   func(secret.SpecSecret) int { return 0 },
		tests:  func(secret.SpecSecret) bool { return false },
		tested: func(secret.Address) (tested, bool) { return tested{}, false },
		sent:   func(secret.Address) (uint64, bool) { return 0, false },
		sum:    func(string) string { return "" },
		judge:  func(v verdict, _ sighting, _ *record) verdict { return v },
	}
}
