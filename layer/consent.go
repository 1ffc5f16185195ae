package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// A document that becomes a bare value loses its ids. The other secrets of the
// run continue; for this one the operator is asked afterwards, or has answered
// with --yes.

// withConsent runs do, and asks the operator about each secret whose ids would
// stop resolving. After a yes it publishes these secrets as bare values, and
// returns the result of both runs. Without a terminal it asks nothing.
func (l *layer) withConsent(ctx context.Context, o *rotate.Operator, yes bool,
	do func() (rotate.Result, error)) (rotate.Result, error) {
	o.LosesIDs = yes
	r, err := do()
	if err != nil || o.DryRun || !l.interactive() {
		return r, err
	}
	var list []secret.Address
	for _, s := range r.Secrets {
		if errors.Is(s.Problem, rotate.LosesIDs) {
			list = append(list, s.Address)
			l.say("%s: %s", s.Address, s.Problem)
		}
	}
	if len(list) == 0 {
		return r, nil
	}
	l.err.clear()
	switch ok, err := l.ask(ctx, "Publish the bare value, without these versions?"); {
	case errors.Is(err, rotate.ErrInterrupted):
		return r, fmt.Errorf("%w: the texts of these secrets were not changed", rotate.ErrInterrupted)
	case err != nil:
		return r, err
	case !ok:
		return r, nil
	}
	o.LosesIDs = true
	again, err := o.Rotate(ctx, rotate.RotateOptions{Only: list})
	return joined(r, again), err
}

// joined returns the result of a run and of a later one of some of its secrets.
func joined(r, later rotate.Result) rotate.Result {
	r.Actions = slices.Concat(r.Actions, later.Actions)
	r.Unconfirmed = slices.Concat(r.Unconfirmed, later.Unconfirmed)
	r.Failed = slices.Concat(r.Failed, later.Failed)
	r.Warnings = slices.Concat(r.Warnings, later.Warnings)
	r.Unreported = later.Unreported // of all declared secrets
	r.Secrets = slices.Clone(r.Secrets)
	for _, s := range later.Secrets {
		if i := slices.IndexFunc(r.Secrets, func(o rotate.SecretStatus) bool { return o.Address == s.Address }); i >= 0 {
			r.Secrets[i] = s
		}
	}
	return r
}
