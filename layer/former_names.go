package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// printFormerNames reports the values that renames left in the target, under
// names that programs may still read.
func (l *layer) printFormerNames(r rotate.Result) {
	for _, s := range r.Secrets {
		if len(s.FormerNames) > 0 {
			l.say("%s: its value is also under %s, for programs that still read it there: delete it with `layer secret "+
				"remove %s`", s.Address, strings.Join(s.FormerNames, ", "), short(s.Address))
		}
	}
}

// removeFormerNames deletes the values of a declared secret under its former
// names. Its present value stays.
func (l *layer) removeFormerNames(ctx context.Context, o *rotate.Operator, state rotate.State, addr secret.Address,
	yes bool) error {
	names := state.FormerNames(addr)
	if len(names) == 0 {
		return fmt.Errorf("%s is still declared: take the declaration out of the program first", addr)
	}
	if !yes {
		l.err.clear()
		switch ok, err := l.ask(ctx, fmt.Sprintf("Delete the value of %s under %s from the target, for good?", addr,
			strings.Join(names, ", "))); {
		case err != nil:
			return err
		case !ok:
			return fmt.Errorf("nothing was removed")
		}
	}
	if err := o.RemoveFormerNames(ctx, addr); err != nil {
		return err
	}
	if l.json {
		return l.report(o, rotate.Result{Actions: []rotate.Action{{Address: addr, Action: rotate.OpRemove}}}, true)
	}
	l.out.line("%s: deleted from the target under %s, where it was before its rename", addr, strings.Join(names, ", "))
	return nil
}
