package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/rotate"
)

func (l *layer) revealCommand() *cobra.Command {
	yes := false
	c := &cobra.Command{Use: "reveal ADDRESS", Short: "Print the current value", Args: count(1, 1),
		ValidArgsFunction: l.completeAddresses(1),
		Long:              `Print the current value, from the ledger. It asks first: whatever prints can be read by others, logged or recorded.`,
		Example:           `  layer secret reveal '$SECRET.billing.stripe-secret'`,
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := address(args[0])
			if err != nil {
				return err
			}
			_, state, _, err := l.current(c.Context(), opening{})
			if err != nil {
				return err
			}
			value, err := state.Value(addr)
			if errors.Is(err, rotate.ErrNotFound) {
				return fmt.Errorf("the ledger holds no value of %s: `layer secret apply` or `layer secret set` brings one", addr)
			}
			if err != nil {
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
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}
