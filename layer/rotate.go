package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// plan, apply and rotate. They are made for cron and CI: a run finishes what an
// earlier run left, does what is due and changes nothing else. Only
// --adopt-ledger overwrites a value that layer did not publish, and it shows
// its effect first.

func (l *layer) planCommand() *cobra.Command {
	return &cobra.Command{Use: "plan", Short: "Show the changes that apply would make", Args: noArgs,
		Example: `  layer secret plan`,
		RunE: func(c *cobra.Command, _ []string) error {
			o, state, err := l.operator(c.Context(), false)
			if err != nil {
				return err
			}
			o.DryRun = true
			l.readsOnce(o, state)
			r, err := o.Apply(c.Context())
			if needsAdoption(r, err) {
				if adopting, err := o.Rotate(c.Context(), rotate.RotateOptions{Adopt: true}); err == nil {
					l.printAdoptions(adopting.Adoptions, "`layer secret rotate --adopt-ledger` would publish")
				}
			}
			if err != nil {
				return l.failed(o, r, err)
			}
			return l.report(o, r, true)
		}}
}

func (l *layer) applyCommand() *cobra.Command {
	yes := false
	c := &cobra.Command{Use: "apply", Short: "Create the values that are missing", Args: noArgs,
		Long: `Create the missing values: random values, and generated values by their generator. A value that only
a person can supply is reported as external_value_required, unless the secret is optional. apply first
finishes the work that an interrupted command left.

A static secret without a Rotation is published as the value itself, every other one as a document of
versions. apply and rotate change the form with the declaration. Where versions would stop resolving,
they ask first.`,
		Example: `  layer secret apply
  layer secret apply --spec spec.json --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			o, _, err := l.operator(c.Context(), false)
			if err != nil {
				return err
			}
			r, err := l.withConsent(c.Context(), o, yes, func() (rotate.Result, error) { return o.Apply(c.Context()) })
			if err != nil {
				return l.failed(o, r, err)
			}
			return l.report(o, r, true)
		}}
	l.thenFlags(c)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "publish bare values also where versions stop resolving: do not ask")
	return c
}

func (l *layer) rotateCommand() *cobra.Command {
	var how rotate.RotateOptions
	dry, yes := false, false
	c := &cobra.Command{Use: "rotate [ADDRESS...]", Short: "Carry out the rotations that are due", Args: count(0, -1),
		ValidArgsFunction: l.completeAddresses(-1),
		Long: `Do the work that is due: announce new versions, make announced versions current a window later,
delete expired versions, create missing values, and repair texts that a late request replaced.
Run it from cron or CI as often as you like: a second run changes nothing.

--immediate runs both phases at once. Readers that do not have the new version yet then reject
everything that others make with it, for up to the window. Use it for a leaked key, and in
development.

--then runs a command if something was published, for a deploy, a reload or a message. LAYER_CHANGED
lists the changes, as JSON without values. If the command fails, the rotation stays, and the next run
with --then reports the same changes again.`,
		Example: `  layer secret rotate
  layer secret rotate --now auth.session-key
  layer secret rotate --immediate auth.session-key
  layer secret rotate --dry-run
  layer secret rotate --then 'systemctl reload shop'`,
		RunE: func(c *cobra.Command, args []string) error {
			l.dry = dry
			if how.Adopt && !dry {
				if err := l.confirmAdoption(c.Context(), how, args, yes); err != nil {
					return err
				}
			}
			o, state, addrs, err := l.operatorOn(c.Context(), how.Adopt, args)
			if err != nil {
				return err
			}
			how.Only = addrs
			if err := declared(o.Spec, how.Only...); err != nil {
				return err
			}
			if to := state.Moved(); to != "" && !dry {
				l.say("the ledger had moved to %s and is in use here again: make sure that no command uses the other one", to)
			}
			if o.DryRun = dry; dry {
				l.readsOnce(o, state)
			}
			if how.Immediate && !dry {
				l.say(risk)
			}
			l.asksForNow = how.Now && !how.Immediate
			r, err := l.withConsent(c.Context(), o, yes, func() (rotate.Result, error) { return o.Rotate(c.Context(), how) })
			if err != nil {
				return l.failed(o, r, err)
			}
			return l.report(o, r, true)
		}}
	c.Flags().BoolVar(&how.Now, "now", false,
		"rotate regardless of the schedule; a rotation in progress is only continued")
	c.Flags().BoolVar(&how.Immediate, "immediate", false, "run both phases at once; implies --now")
	c.Flags().BoolVar(&how.Adopt, "adopt-ledger", false, "use this ledger after a stop: publish its values over those "+
		"in the target")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "with --adopt-ledger, and where versions stop resolving: do not ask")
	c.Flags().BoolVar(&dry, "dry-run", false, "change nothing, print the changes that rotate would make")
	l.thenFlags(c)
	return c
}

// risk is the warning of --immediate.
const risk = "readers that do not have the new version yet reject everything that others make with it, for up to " +
	"the window"

func find(spec secret.Spec, addr secret.Address) (secret.SpecSecret, bool) {
	for _, s := range spec.Secrets {
		if s.Address == addr {
			return s, true
		}
	}
	return secret.SpecSecret{}, false
}

// needsAdoption reports whether only --adopt-ledger can resolve a problem.
func needsAdoption(r rotate.Result, err error) bool {
	needs := func(err error) bool {
		return errors.Is(err, rotate.Drifted) || errors.Is(err, rotate.Ahead) || errors.Is(err, rotate.WrongTarget)
	}
	return needs(err) || slices.ContainsFunc(r.Secrets, func(s rotate.SecretStatus) bool { return needs(s.Problem) })
}

// confirmAdoption shows the values that --adopt-ledger would publish over the
// target, and asks the operator. It only reads the ledger: a ledger that the
// operator refuses is not remembered.
func (l *layer) confirmAdoption(ctx context.Context, how rotate.RotateOptions, args []string, yes bool) error {
	l.dry = true
	defer func() { l.dry = false }()
	o, state, addrs, err := l.operatorOn(ctx, true, args)
	if err != nil {
		return err
	}
	how.Only = addrs
	if err := declared(o.Spec, how.Only...); err != nil {
		return err
	}
	o.DryRun = true
	l.readsOnce(o, state)
	r, err := o.Rotate(ctx, how)
	if err != nil {
		return err
	}
	l.err.clear()
	l.printAdoptions(r.Adoptions, "--adopt-ledger publishes")
	if yes {
		return nil
	}
	switch ok, err := l.ask(ctx, "Use this ledger, and publish its values over the target?"); {
	case err != nil:
		return err
	case !ok:
		return errors.New("nothing was published")
	}
	return nil
}

// printAdoptions prints which versions would be published, come back and
// vanish.
func (l *layer) printAdoptions(list []rotate.Adoption, what string) {
	for _, a := range list {
		line := fmt.Sprintf("%s: %s %s, with %s current", a.Address, what, strings.Join(a.Versions, ", "), a.Current)
		if a.Found != "" {
			line += ", over the value in the target, whose note names " + a.Found + " as current"
		} else {
			line += ", over a value that layer did not make"
		}
		if len(a.Back) > 0 {
			line += "; " + strings.Join(a.Back, ", ") +
				" would come back: the value in the target lacks them, perhaps because they were pruned or revoked"
		} else if !a.Known && a.Found != "" {
			line += "; versions that were revoked after this copy of the ledger come back"
		}
		if len(a.Vanish) > 0 {
			line += "; readers would no longer accept " + strings.Join(a.Vanish, ", ")
		}
		l.say("%s", line)
	}
}
