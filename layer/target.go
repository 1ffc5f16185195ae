package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/rotate"
)

// `layer secret target` moves all values to another target. The old target
// keeps its values until --remove, because programs may still read it. No
// version becomes current or leaves until window and margin have passed.

func (l *layer) targetCommand() *cobra.Command {
	remove, yes := false, false
	c := &cobra.Command{Use: "target [TARGET]", Short: "Move the values to another target", Args: count(0, 1),
		Long: `Move the values to another target: publish every secret there, and record the new target in the
ledger. The old target keeps its values, for programs that still read it, and status checks both
targets until --remove TARGET deletes the old values. No version becomes current, and none is
deleted, until window and margin have passed: make all programs read the new target by then. After
an interruption, run it again: it continues.

Without an argument it prints the target and the former targets.`,
		Example: `  layer secret target dir:/run/secrets
  layer secret target --remove dir:./secrets`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				var err error
				if args[0], err = l.typedTarget(args[0]); err != nil {
					return err
				}
			}
			switch {
			case len(args) == 0 && remove:
				return usagef("--remove needs an argument: the former target whose values to delete")
			case len(args) == 0:
				return l.showTargets(c)
			case remove:
				return l.removeFormer(c, args[0], yes)
			}
			return l.moveTarget(c, args[0])
		}}
	c.Flags().BoolVar(&remove, "remove", false, "delete the values in a former target")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "with --remove: do not ask")
	return c
}

func (l *layer) showTargets(c *cobra.Command) error {
	_, state, err := l.current(c.Context(), opening{})
	if err != nil {
		return err
	}
	target, former := state.Settings().Target, state.FormerTargets()
	if l.json {
		l.printJSON(map[string]any{"ok": true, "target": target, "former": append([]string{}, former...)})
		return nil
	}
	l.out.line("%s", target)
	for _, f := range former {
		l.out.line("former: %s", f)
	}
	return nil
}

func (l *layer) moveTarget(c *cobra.Command, to string) error {
	l.to = to
	if err := l.checkFlags(); err != nil {
		return err
	}
	p, err := l.parsePlace(l.ledger)
	if err != nil {
		return err
	}
	kept, err := l.targetToKeep(p, to)
	if err != nil {
		return err
	}
	l.moves = true
	o, state, err := l.operator(c.Context(), false)
	if err != nil {
		return err
	}
	from := state.Settings().Target
	r, err := o.MoveTarget(c.Context(), kept)
	if err != nil {
		return l.failed(o, r, err)
	}
	if err := l.report(o, r, true); err != nil {
		return err
	}
	if from != kept {
		l.say("%s keeps its values until `layer secret target --remove '%s'`. From now, all programs have "+
			"the time of the window and the margin to change to the new target", from, from)
	}
	return nil
}

func (l *layer) removeFormer(c *cobra.Command, target string, yes bool) error {
	opened, state, err := l.current(c.Context(), opening{})
	if err != nil {
		return err
	}
	o := &rotate.Operator{Ledger: opened, By: operatorName()}
	if o.Former, err = l.formerTargets(c.Context(), state); err != nil {
		return err
	}
	p, _ := l.parsePlace(l.ledger) // no error: it was parsed before
	kept, err := l.targetToKeep(p, target)
	if err != nil {
		return err
	}
	if !slices.Contains(state.FormerTargets(), kept) {
		// Not repeated: it may contain a password.
		return errors.New("the argument is no former target of this ledger: `layer secret target` lists them")
	}
	if !yes {
		l.err.clear()
		switch ok, err := l.ask(c.Context(), fmt.Sprintf("Delete the values in %s, for good?", target)); {
		case err != nil:
			return err
		case !ok:
			return errors.New("nothing was removed")
		}
	}
	if err := o.RemoveFormer(c.Context(), kept); err != nil {
		return l.failed(o, rotate.Result{}, err)
	}
	if l.json {
		l.printJSON(map[string]any{"ok": true, "removed": kept})
		return nil
	}
	l.out.line("removed the values in %s", target)
	return nil
}
