package main

import "github.com/spf13/cobra"

func (l *layer) statusCommand() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Show how the declared secrets stand", Args: noArgs,
		Long: `Show how the declared secrets stand: ok, pending (a version is announced), due, drifted (somebody else changed it in the target), bound
(somebody else's value, used as it is), unpublished, or external_value_required. It changes nothing, and fails if a person is needed.`,
		Example: `  layer secret status
  layer secret status --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			o, _, err := l.operator(c.Context(), false)
			if err != nil {
				return err
			}
			r, err := o.Status(c.Context())
			if err != nil {
				return l.failed(o, r, err)
			}
			if !l.json {
				l.printStatus(r)
			}
			return l.report(o, r, false)
		}}
}
