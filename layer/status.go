package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
)

func (l *layer) statusCommand() *cobra.Command {
	overdue := 24 * time.Hour
	var stateNames, kindNames []string
	c := &cobra.Command{Use: "status [ADDRESS...]", Short: "Show the state of the declared secrets", Args: count(0, -1),
		ValidArgsFunction: l.completeAddresses(-1),
		Long: `Show the state of the declared secrets:
  ok                       the target has the ledger's text
  pending                  a version is announced
  due                      it is time for a new value
  unsettled                recorded in the ledger, not confirmed by the target
  missing                  published before, and no longer in the target
  drifted                  changed in the target by another program or person
  bound                    a value that layer did not make, used as it is
  unpublished              not created yet, or optional and not set
  undeclared               in the ledger, and named by no declaration
  external_value_required  only a person can supply the value

On a terminal the table also has the time from which a pending version comes into use, with the
first rotate from then on, and the time of the last change of the current value. A summary follows.

status changes nothing. It exits with 1 if a secret is unsettled, missing or drifted, if a person is
needed (also to agree that versions stop resolving), or if a due rotation, an announced version or
an unconfirmed text is late by more than --overdue. With addresses, --state or --kind, only the
secrets that these choose are shown, and only they count for the exit status.`,
		Example: `  layer secret status
  layer secret status billing.stripe-secret --json
  layer secret status --state due,external_value_required --kind static`,
		RunE: func(c *cobra.Command, args []string) error {
			if overdue < 0 {
				return usagef("--overdue cannot be negative")
			}
			filter, err := newStatusFilter(stateNames, kindNames)
			if err != nil {
				return err
			}
			o, state, addrs, err := l.operatorOn(c.Context(), false, args)
			if err != nil {
				return err
			}
			l.readsOnce(o, state)
			filter.addresses = addrs
			o.Overdue = max(overdue, time.Nanosecond) // zero means the default
			r, err := o.Status(c.Context())
			if err != nil {
				return l.failed(o, r, err)
			}
			all := len(r.Secrets) + len(r.Undeclared)
			if r, err = filter.apply(r); err != nil {
				return err
			}
			if !l.json {
				l.printStatus(r)
			}
			err = l.report(o, r, false)
			if !l.json && l.out.terminal { // last, below the table and its problems
				fmt.Fprintln(l.out, wrap(summary(r, all), l.out.width))
			}
			return err
		}}
	f := c.Flags()
	f.StringArrayVar(&stateNames, "state", nil, "show only secrets in these `STATES`, with commas between them")
	f.StringArrayVar(&kindNames, "kind", nil, "show only secrets of these `KINDS`: static, random, generated")
	_ = c.RegisterFlagCompletionFunc("state", completeNames(listed(states, stateName)))
	_ = c.RegisterFlagCompletionFunc("kind", completeNames(listed(kinds, secret.Kind.String)))
	durationVar(f, &overdue, "overdue", overdue, "the `TIME` by which a run may be late")
	return c
}
