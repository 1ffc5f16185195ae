package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

func (l *layer) revealCommand() *cobra.Command {
	yes := false
	c := &cobra.Command{Use: "reveal ADDRESS", Short: "Print the current value", Args: count(1, 1),
		ValidArgsFunction: l.completeAddresses(1),
		Long: `Print the current value, from the ledger. reveal asks first, because others may read, log or record
the terminal. It refuses an old copy of the ledger, which it detects by the notes in the target.
Without a credential for the target it does not read the notes.`,
		Example: `  layer secret reveal billing.stripe-secret`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkName(args[0]); err != nil {
				return err
			}
			opened, state, err := l.current(c.Context(), opening{})
			if err != nil {
				return orWrongName(err, args)
			}
			// An error in the declarations does not prevent the output of a value.
			spec, specErr := l.readSpec(c.Context(), state.Settings())
			known := namesOf(spec, state)
			addr, err := known.resolve(args[0])
			if err != nil {
				return errors.Join(err, specErr) // the declarations may contain the name
			}
			value, err := state.Value(addr)
			undeclared := specErr == nil && !slices.ContainsFunc(spec.Secrets,
				func(d secret.SpecSecret) bool { return d.Address == addr })
			switch missing := errors.Is(err, rotate.ErrNotFound); {
			case missing && undeclared:
				return fmt.Errorf("%s is not declared and has no value in the ledger%s `layer secret status` lists the secrets",
					addr, cmp.Or(known.near(addr.String()), ":"))
			case missing:
				return fmt.Errorf("the ledger has no value of %s: create it with `layer secret apply`, or set it with `layer "+
					"secret set`", addr)
			case err != nil:
				return err
			case undeclared:
				l.say("%s: undeclared: it is in the ledger, and no declaration names it: delete it with `layer secret remove %s`",
					addr, short(addr))
			}
			if err := l.compareNotes(c.Context(), opened, state, secret.SpecSecret{Address: addr}); err != nil {
				return err
			}
			if !yes {
				switch ok, err := l.ask(c.Context(), fmt.Sprintf("Print the current value of %s here?", addr)); {
				case err != nil:
					return err
				case !ok:
					return fmt.Errorf("nothing was printed")
				}
			}
			if l.json {
				l.printJSON(map[string]any{"ok": true, "address": addr.String(), "value": value.Reveal()})
				return nil
			}
			fmt.Fprintln(l.out, value.Reveal())
			return nil
		}}
	l.offlineFlag(c)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}
