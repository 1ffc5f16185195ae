package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Chooses the secrets that status shows, and that its exit status counts.

// states are all states, in the order of the help and of the summary.
var states = []rotate.SecretState{rotate.StateOK, rotate.StatePending, rotate.StateDue, rotate.StateUnsettled,
	rotate.StateMissing, rotate.StateDrifted, rotate.StateBound, rotate.StateUnpublished, rotate.StateUndeclared,
	rotate.StateExternal}

var kinds = []secret.Kind{secret.KindStatic, secret.KindRandom, secret.KindGenerated}

// statusFilter chooses secrets. An empty list chooses all.
type statusFilter struct {
	addresses []secret.Address
	states    []rotate.SecretState
	kinds     []secret.Kind
}

// newStatusFilter parses the flags of status.
func newStatusFilter(stateNames, kindNames []string) (f statusFilter, err error) {
	if f.states, err = chosen("--state", stateNames, states, stateName); err != nil {
		return f, err
	}
	f.kinds, err = chosen("--kind", kindNames, kinds, secret.Kind.String)
	return f, err
}

func stateName(s rotate.SecretState) string { return string(s) }

// chosen returns the elements of all that the texts name, each with commas
// between names. Its error repeats no text: it may be a value.
func chosen[T any](flag string, texts []string, all []T, name func(T) string) (list []T, err error) {
	for _, text := range texts {
		for one := range strings.SplitSeq(text, ",") {
			i := slices.IndexFunc(all, func(t T) bool { return name(t) == strings.TrimSpace(one) })
			if i < 0 {
				return nil, usagef("%s takes one or more of these, with commas between them: %s", flag,
					strings.Join(listed(all, name), ", "))
			}
			list = append(list, all[i])
		}
	}
	return list, nil
}

func listed[T any](all []T, name func(T) string) (list []string) {
	for _, t := range all {
		list = append(list, name(t))
	}
	return list
}

func (f statusFilter) chooses(s rotate.SecretStatus) bool {
	return (len(f.addresses) == 0 || slices.Contains(f.addresses, s.Address)) &&
		(len(f.states) == 0 || slices.Contains(f.states, s.State)) &&
		(len(f.kinds) == 0 || slices.Contains(f.kinds, s.Kind))
}

// apply returns the result with the chosen secrets only. It returns a usage
// error if an address is neither declared nor in the ledger.
func (f statusFilter) apply(r rotate.Result) (rotate.Result, error) {
	for _, addr := range f.addresses {
		if !slices.ContainsFunc(slices.Concat(r.Secrets, r.Undeclared),
			func(s rotate.SecretStatus) bool { return s.Address == addr }) {
			return r, usagef("%s is not declared, and not in the ledger: `layer secret status` lists the secrets", addr)
		}
	}
	not := func(s rotate.SecretStatus) bool { return !f.chooses(s) }
	r.Secrets = slices.DeleteFunc(slices.Clone(r.Secrets), not)
	r.Undeclared = slices.DeleteFunc(slices.Clone(r.Undeclared), not)
	return r, nil
}

// completeNames completes names with commas between them.
func completeNames(all []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) (list []cobra.Completion, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndex(typed, ",")+1]
		for _, name := range all {
			if !slices.Contains(strings.Split(before, ","), name) {
				list = append(list, before+name)
			}
		}
		return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}
