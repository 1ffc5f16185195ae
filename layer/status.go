package main

import (
	"time"

	"github.com/spf13/cobra"
)

func (l *layer) statusCommand() *cobra.Command {
	overdue := 24 * time.Hour
	c := &cobra.Command{Use: "status", Short: "Show the state of the declared secrets", Args: noArgs,
		Long: `Show the state of the declared secrets:
  ok                       the target has the ledger's text
  pending                  a version is announced
  due                      it is time for a new value
  unsettled                recorded in the ledger, not confirmed by the target
  missing                  published before, and no longer in the target
  drifted                  changed in the target by another program or person
  bound                    a value that layer did not make, used as it is
  unpublished              not created yet
  undeclared               in the ledger, and named by no declaration
  external_value_required  only a person can supply the value

status changes nothing. It exits with 1 if a secret is unsettled, missing or drifted, if a person is
needed (also to agree that versions stop resolving), or if a due rotation, an announced version or
an unconfirmed text is late by more than --overdue.`,
		Example: `  layer secret status
  layer secret status --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			if overdue < 0 {
				return usagef("--overdue cannot be negative")
			}
			o, _, err := l.operator(c.Context(), false)
			if err != nil {
				return err
			}
			o.Overdue = max(overdue, time.Nanosecond) // zero means the default
			r, err := o.Status(c.Context())
			if err != nil {
				return l.failed(o, r, err)
			}
			if !l.json {
				l.printStatus(r)
			}
			return l.report(o, r, false)
		}}
	c.Flags().DurationVar(&overdue, "overdue", overdue, "the `TIME` by which a run may be late")
	return c
}
