package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/rotate"
)

// The commands that change one declared secret. Each of them checks the address
// and the declaration before it opens the target, and delegates the change to
// [rotate.Operator]: the ledger is written first, the target afterwards. The
// next `layer secret rotate` finishes an interrupted change.

func (l *layer) rollbackCommand() *cobra.Command {
	immediate := false
	c := &cobra.Command{Use: "rollback ADDRESS", Short: "Withdraw an announced version, or restore the previous value",
		Args:              count(1, 1),
		ValidArgsFunction: l.completeAddresses(1),
		Long: `Withdraw an announced version. If none is announced, restore the previous version's value under
a new id: at once for a static secret, else in two phases unless --immediate is given. A revoked
or pruned version never comes back.`,
		Example: `  layer secret rollback billing.stripe-secret`,
		RunE: func(c *cobra.Command, args []string) error {
			return l.change(c.Context(), args[0], func(ctx context.Context, o *rotate.Operator,
				addr secret.Address) (rotate.Result, error) {
				if immediate {
					l.say("if this makes a new version current, " + risk)
				}
				return o.Rollback(ctx, addr, immediate)
			})
		}}
	c.Flags().BoolVar(&immediate, "immediate", false, "run both phases at once")
	l.thenFlags(c)
	return c
}

func (l *layer) revokeCommand() *cobra.Command {
	c := &cobra.Command{Use: "revoke ADDRESS VERSION", Short: "Revoke a version in the ledger and the target, " +
		"immediately", Args: count(2, 2),
		ValidArgsFunction: l.completeVersion,
		Long: `Revoke a version in the ledger and the target, immediately, and with it every other version that
has the same value. The current version gets a successor first. For a static secret the current
version cannot be revoked: set a new value first.

The value of a generated secret is ended at its provider too. If the generator cannot do that, revoke
says so before it changes anything.`,
		Example: `  layer secret revoke auth.session-key v2`,
		RunE: func(c *cobra.Command, args []string) error {
			if checkName(args[0]) == nil && !versionForm().MatchString(args[1]) {
				// Not repeated: it may be a value.
				return usagef("the version is not of the form v2: `layer secret status --json` lists the versions")
			}
			return l.change(c.Context(), args[0], func(ctx context.Context, o *rotate.Operator,
				addr secret.Address) (rotate.Result, error) {
				return o.Revoke(ctx, addr, args[1])
			})
		}}
	l.thenFlags(c)
	return c
}

// versionForm matches the id of a version in a ledger.
var versionForm = lazyregexp.New(`^v[0-9]{1,20}$`)

// change runs one change of the declared secret that the argument names, and
// reports the result. It returns a usage error if the argument is wrong or the
// secret is not declared.
func (l *layer) change(ctx context.Context, arg string,
	do func(context.Context, *rotate.Operator, secret.Address) (rotate.Result, error)) error {
	o, _, addrs, err := l.operatorOn(ctx, false, []string{arg})
	if err != nil {
		return err
	}
	if err := declared(o.Spec, addrs[0]); err != nil {
		return err
	}
	r, err := do(ctx, o, addrs[0])
	if err != nil {
		return l.failed(o, r, err)
	}
	return l.report(o, r, true)
}

func (l *layer) renameCommand() *cobra.Command {
	c := &cobra.Command{Use: "rename OLD NEW", Short: "Publish the versions under a new address", Args: count(2, 2),
		ValidArgsFunction: l.completeAddresses(2),
		Long: `Publish the versions of OLD under the address and name of NEW, which the program must declare. If
only the name changed, such as Options.Binding for a folder, both are the same address. The old value
stays, for programs that still read it, until ` + "`layer secret remove`" + `.`,
		Example: `  layer secret rename auth.session-key web.session-key`,
		RunE: func(c *cobra.Command, args []string) error {
			o, state, addrs, err := l.operatorOn(c.Context(), false, args)
			if err != nil {
				return err
			}
			from, to := addrs[0], addrs[1]
			if err := declared(o.Spec, to); err != nil {
				return err
			}
			r, err := o.Rename(c.Context(), from, to)
			if err != nil {
				return l.failed(o, r, namesOf(o.Spec, state).hint(err, from))
			}
			return l.report(o, r, true)
		}}
	l.thenFlags(c)
	return c
}

func (l *layer) removeCommand() *cobra.Command {
	yes := false
	c := &cobra.Command{Use: "remove ADDRESS", Short: "Delete a secret that is no longer declared", Args: count(1, 1),
		ValidArgsFunction: l.completeAddresses(1),
		Long: `Delete a secret that is no longer declared from ledger and target. A declared secret is refused,
unless a rename left its value in the target under a former name: then only that value is deleted.`,
		Example: `  layer secret remove auth.old-key --yes`,
		RunE: func(c *cobra.Command, args []string) error {
			o, state, addrs, err := l.operatorOn(c.Context(), false, args)
			if err != nil {
				return err
			}
			addr := addrs[0]
			if _, ok := find(o.Spec, addr); ok {
				return l.removeFormerNames(c.Context(), o, state, addr, yes)
			}
			if !yes {
				if l.interactive() {
					dry := *o
					dry.DryRun = true
					_, _ = dry.Remove(c.Context(), addr) // prints the warnings; the error comes again below
				}
				l.err.clear()
				switch ok, err := l.ask(c.Context(), fmt.Sprintf("Delete every version of %s, from ledger and target, for good?",
					addr)); {
				case err != nil:
					return err
				case !ok:
					return fmt.Errorf("nothing was removed")
				}
			}
			r, err := o.Remove(c.Context(), addr)
			if err != nil {
				return l.failed(o, r, namesOf(o.Spec, state).hint(err, addr))
			}
			return l.report(o, r, true)
		}}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// say prints a message for people to stderr, beside the output of the command.
func (l *layer) say(format string, args ...any) {
	l.err.line("layer: "+format, args...)
}
