package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/rotate"
)

// completeAddresses completes the first most arguments with addresses; below
// zero, all arguments. The addresses come from --spec, else from the ledger. It
// does not read the source, which would take too long for a completion.
func (l *layer) completeAddresses(most int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) (list []cobra.Completion, _ cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if l.spec != "" && l.spec != "-" {
			spec, _ := l.readSpec(c.Context(), rotate.Settings{})
			for _, s := range spec.Secrets {
				if !slices.Contains(args, s.Address.String()) {
					list = append(list, cobra.CompletionWithDesc(s.Address.String(), s.Kind.String()))
				}
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		}
		for _, addr := range l.state(c).Addresses() {
			if !slices.Contains(args, addr.String()) {
				list = append(list, addr.String())
			}
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeVersion completes an address, and then one of its versions.
func (l *layer) completeVersion(c *cobra.Command, args []string,
	typed string) (list []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) != 1 {
		return l.completeAddresses(1)(c, args, typed)
	}
	for _, e := range l.state(c).Log() {
		for _, id := range e.IDs {
			switch {
			case e.Address != args[0] || !versionForm().MatchString(id):
			case e.Op == "revoke" || e.Op == "prune" || e.Op == "withdraw":
				list = slices.DeleteFunc(list, func(v string) bool { return v == id })
			case !slices.Contains(list, id):
				list = append(list, id)
			}
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// completionTime is the longest time that a completion waits for a remote
// ledger.
const completionTime = 3 * time.Second

// state returns the ledger's state, or an empty one if the ledger cannot be
// read in time. A completion prints no errors.
func (l *layer) state(c *cobra.Command) rotate.State {
	ctx, cancel := context.WithTimeout(c.Context(), completionTime)
	defer cancel()
	_, state, _ := l.load(ctx, opening{quiet: true})
	return state
}
