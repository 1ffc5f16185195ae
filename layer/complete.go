package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// completeAddresses completes the first most arguments with addresses; below
// zero, all arguments. The addresses come from --spec, else from the ledger. It
// does not read the source, which would take too long for a completion.
func (l *layer) completeAddresses(most int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if l.findLedger(c) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if l.spec != "" && l.spec != "-" {
			spec, _ := l.readSpec(c.Context(), rotate.Settings{})
			return completions(spec, rotate.State{}, args, typed), cobra.ShellCompDirectiveNoFileComp
		}
		return completions(secret.Spec{}, l.state(c), args, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// completions returns the names that begin with the typed text, in the form
// that no shell changes: addresses, or bindings if the text begins no address.
// It leaves out the secrets that other arguments name, and a name that two
// secrets have.
func completions(spec secret.Spec, state rotate.State, args []string, typed string) []cobra.Completion {
	known := namesOf(spec, state)
	kinds, owners := map[secret.Address]string{}, map[string]int{}
	for _, s := range spec.Secrets {
		kinds[s.Address] = s.Kind.String()
	}
	known = slices.DeleteFunc(known, func(one name) bool { return one.removed })
	for _, one := range known {
		owners[short(one.Address)]++
		if one.binding != short(one.Address) {
			owners[one.binding]++
		}
	}
	var given []secret.Address
	for _, arg := range args {
		if addr, err := known.resolve(arg); err == nil {
			given = append(given, addr)
		}
	}
	if strings.HasPrefix(addressPrefix, typed) {
		typed = ""
	}
	typed = strings.TrimPrefix(typed, addressPrefix)
	begins := func(text string) bool { return strings.HasPrefix(text, typed) && owners[text] == 1 }
	var addresses, bindings []cobra.Completion
	for _, one := range known {
		described := func(text string) cobra.Completion {
			if kind := kinds[one.Address]; kind != "" {
				return cobra.CompletionWithDesc(text, kind)
			}
			return text
		}
		switch {
		case slices.Contains(given, one.Address):
		case begins(short(one.Address)):
			addresses = append(addresses, described(short(one.Address)))
		case begins(one.binding) && owners[short(one.Address)] > 1:
			addresses = append(addresses, described(one.binding)) // the only name in its place
		case begins(one.binding):
			bindings = append(bindings, described(one.binding))
		}
	}
	if len(addresses) == 0 {
		return bindings
	}
	return addresses
}

// completeVersion completes an address, and then one of its versions.
func (l *layer) completeVersion(c *cobra.Command, args []string,
	typed string) (list []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) != 1 {
		return l.completeAddresses(1)(c, args, typed)
	}
	if l.findLedger(c) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	state := l.state(c)
	var spec secret.Spec
	if l.spec != "" && l.spec != "-" {
		spec, _ = l.readSpec(c.Context(), state.Settings())
	}
	addr, err := namesOf(spec, state).resolve(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, e := range state.Log() {
		for _, id := range e.IDs {
			switch {
			case e.Address != addr.String() || !versionForm().MatchString(id):
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
