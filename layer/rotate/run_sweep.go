package rotate

import (
	"context"
	"fmt"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

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
	if err := g.Sweep(ctx, names, st.known(spec.Generator)); err != nil {
		return fmt.Errorf("%s: the remains of an interrupted run could not be swept up, so %s makes no value yet: %w",
			spec.Address, spec.Generator, err)
	}
	return nil
}
