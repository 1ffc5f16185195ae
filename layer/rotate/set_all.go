package rotate

import (
	"context"
	"errors"
	"fmt"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file sets several values as one change: a file that is read in has to be
// in the ledger as a whole or not at all. One compare-and-set records the
// values of all secrets. It waits until the steps that earlier runs left are
// confirmed for each of them, because a secret with an unconfirmed text cannot
// take a value, and its neighbours must not have theirs by then.

// SetAll adds values from outside, each as Set does, in one change of the
// ledger. If one value cannot be set, none is: the error is a [Problem] that
// wraps the problem of each such secret. An interrupted SetAll is in the ledger
// for every secret or for none, and the next run publishes the rest.
func (o *Operator) SetAll(ctx context.Context, values map[secret.Address]driver.Value) (Result, error) {
	orders := make(map[secret.Address]order, len(values))
	for addr, value := range values {
		if _, ok := o.find(addr); !ok {
			return Result{}, undeclared(addr)
		}
		orders[addr] = order{op: orderSet, value: value.Reveal(), whole: true}
	}
	return o.run(ctx, orders, "set")
}

// CheckValue returns an error unless a program with this declaration can use
// the value. SetAll and Set check the same.
func CheckValue(spec secret.SpecSecret, value driver.Value) error {
	return checkValue(spec, value.Reveal())
}

// together replaces the decisions on orders that belong together, unless all
// can be recorded now. It keeps the reason if one can never be. Otherwise it
// settles the secrets and gives their texts the declared form: the next pass
// decides again. Orders for which there is nothing to wait are refused, so that
// a run never ends as if it had carried them out.
func (r *run) together(d *desk) error {
	var problems []error
	ready := true
	for _, spec := range r.targets() {
		dec := r.pass.decisions[spec.Address]
		if !r.orders[spec.Address].whole || r.mine.done[spec.Address] || dec.done {
			continue
		}
		ready = false
		if dec.problem != nil {
			problems = append(problems, fmt.Errorf("%s: %w", spec.Address, dec.problem))
		}
	}
	switch {
	case ready:
		return nil
	case len(problems) > 0:
		r.pass.refused = problemf(Refused, "no value was set: %w", errors.Join(problems...))
		return nil
	}
	waits := false
	for _, spec := range r.targets() {
		dec, err := r.decideOne(d, spec, order{op: orderForm})
		if err != nil {
			return err
		}
		waits = waits || dec.next != nil || dec.problem != nil
		r.pass.decisions[spec.Address] = dec
	}
	if !waits {
		r.pass.refused = problemf(Unsettled, "no value was set: a value cannot be recorded, and no step of an earlier "+
			"run is left to wait for")
	}
	return nil
}
