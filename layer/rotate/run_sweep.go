package rotate

import (
	"context"
	"fmt"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// longestMake is how long a generator may go on after its run was killed, such as
// a program that is left alone. A step takes at most 10 minutes, and begins at
// most a minute after its name was recorded.
const longestMake = 15 * time.Minute

// lateUntil returns the end of the time in which a request to a generator whose
// answer this run does not have may still make a value.
func (r *run) lateUntil(st *state) time.Time {
	return r.now().Add(max(st.policy(r.now(), r.Window, r.Margin, r.Limit).margin, longestMake))
}

// sweepEarlier ends the remains of interrupted runs before a bounded generator
// makes the next value of a secret: they would take up a place that the value
// needs. The names stay in state.Sweep, since a request may still be late.
func (r *run) sweepEarlier(ctx context.Context, spec secret.SpecSecret, g driver.Generator) error {
	if r.mostInUse(spec) == 0 {
		return nil
	}
	st := r.loaded.state.state()
	var names []string
	for _, s := range st.Sweep {
		if s.Generator == spec.Generator && s.Address == spec.Address.String() {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	if err := g.Sweep(ctx, names, st.known(spec.Generator, spec.Address.String())); err != nil {
		return fmt.Errorf("%s: the remains of an interrupted run could not be swept up, so %s makes no value yet%s: %w",
			spec.Address, spec.Generator, r.notRevoked(spec.Address), err)
	}
	return nil
}
