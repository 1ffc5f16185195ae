package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/rotate"
)

// The names of secrets on the command line. An operator types
// billing.stripe-secret, which no shell changes, or the name of its binding.
// The form $SECRET.billing.stripe-secret works too, and is the one in messages
// and JSON. An argument may be a value that was typed in the wrong place, so no
// error repeats one that is no name.

// addressPrefix begins an address in its full form.
const addressPrefix = "$SECRET."

// bindingForm matches each name that a binding can have. A declared one has up
// to 128 characters, and a derived one up to 142.
var bindingForm = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,141}$`)

// short returns an address as an operator types it.
func short(addr secret.Address) string { return strings.TrimPrefix(addr.String(), addressPrefix) }

// address parses an address in its short or its full form. Commands that have
// read the declarations use names.resolve, which accepts bindings too.
func address(arg string) (secret.Address, error) {
	addr, err := secret.ParseAddress(addressPrefix + strings.TrimPrefix(arg, addressPrefix))
	switch {
	case err == nil:
		return addr, nil
	case strings.HasPrefix(arg, "."), strings.Count(arg, ".") > 1 && !strings.HasPrefix(arg, addressPrefix):
		return addr, usagef("a shell has replaced $SECRET: type namespace.name alone, or '$SECRET.namespace.name' in " +
			"single quotes")
	}
	return addr, usagef("an address is namespace.name, or '$SECRET.namespace.name' in single quotes: namespace and name " +
		"have 1 to 63 of a-z, 0-9, and between them - and _")
}

// checkName returns a usage error if an argument can name no secret under any
// declarations.
func checkName(arg string) error {
	_, err := address(arg)
	if err == nil || bindingForm().MatchString(arg) {
		return nil
	}
	if _, wrong := address(likeAddress(arg)); wrong == nil && !strings.HasPrefix(arg, addressPrefix) {
		return nil // a name for which resolve can have a suggestion
	}
	return err
}

// name is a secret that an argument can name.
type name struct {
	secret.Address
	binding string
	removed bool
}

// names are the secrets that an argument can name.
type names []name

// namesOf returns the declared secrets, and those of the ledger that are not
// declared. Each of the latter has the binding that the ledger has recorded.
// The removed secrets come last: their addresses are no values, and remove
// accepts them.
func namesOf(spec secret.Spec, state rotate.State) names {
	var n names
	declared := map[secret.Address]bool{}
	for _, s := range spec.Secrets {
		n, declared[s.Address] = append(n, name{Address: s.Address, binding: s.Binding}), true
	}
	for _, addr := range state.Addresses() {
		if !declared[addr] {
			n = append(n, name{Address: addr, binding: state.Binding(addr)})
		}
	}
	for _, e := range state.Log() {
		if e.Op != rotate.OpRemove {
			continue
		}
		if addr, err := secret.ParseAddress(e.Address); err == nil {
			n = append(n, name{Address: addr, removed: true})
		}
	}
	return n
}

// resolve returns the address of the secret that an argument names. The short
// form of an unknown address is accepted only if its namespace is known:
// otherwise it may be a value, which a later error would repeat.
func (n names) resolve(arg string) (secret.Address, error) {
	if err := checkName(arg); err != nil {
		return secret.Address{}, err
	}
	addr, err := address(arg)
	if strings.HasPrefix(arg, addressPrefix) {
		return addr, err
	}
	var full []string
	for _, one := range n {
		if !one.removed && (short(one.Address) == arg || one.binding == arg) {
			addr, full = one.Address, append(full, "'"+one.String()+"'")
		}
	}
	switch {
	case len(full) > 1:
		return addr, usagef("%s names more than one secret, by its address or its binding: type %s", arg,
			alternatives(full))
	case len(full) == 1:
		return addr, nil
	case err == nil && slices.ContainsFunc(n, func(one name) bool { return one.Namespace == addr.Namespace }):
		return addr, nil
	}
	if near := n.near(arg); near != "" {
		return addr, usagef("no secret has that address or binding%s", near)
	}
	if err == nil || !strings.Contains(arg, ".") {
		return addr, usagef("no secret has that address or binding: `layer secret status` lists the addresses, and " +
			"namespace.name is the form to type")
	}
	return addr, err
}

// all returns the addresses that several arguments name.
func (n names) all(args []string) ([]secret.Address, error) {
	var list []secret.Address
	for i, arg := range args {
		addr, err := n.resolve(arg)
		if err != nil && len(args) > 1 {
			return nil, usagef("argument %d: %w", i+1, err)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, addr)
	}
	return list, nil
}

// near returns the end of a message about a wrong name: the secrets that have
// nearly that name, or nothing.
func (n names) near(arg string) string {
	arg = strings.TrimPrefix(arg, addressPrefix)
	_, behind, _ := strings.Cut(arg, ".") // without the text that a shell put in the place of $SECRET
	var exact, similar []string
	least := 1 + min(2, len(arg)/4)
	for _, one := range n {
		if one.removed {
			continue
		}
		typed := short(one.Address)
		derived := one.Address.Binding()
		upper := strings.ToUpper(strings.ReplaceAll(arg, "-", "_"))
		if behind == typed || arg == one.Name || likeAddress(arg) == typed || upper == strings.ToUpper(one.binding) ||
			upper == derived || "LAYERON_SECRET_"+upper == derived {
			exact = append(exact, typed)
		}
		switch d := min(distance(likeAddress(arg), typed), distance(arg, one.binding)); {
		case d > least:
		case d < least:
			least, similar = d, []string{typed}
		default:
			similar = append(similar, typed)
		}
	}
	return didYouMean(exact, similar)
}

// likeAddress replaces the separators of paths in other programs by dots, and
// upper case by lower case.
func likeAddress(arg string) string {
	return strings.NewReplacer("/", ".", ":", ".").Replace(strings.ToLower(arg))
}

// operatorOn returns the Operator for a command, the ledger's state and the
// addresses that the command's arguments name.
func (l *layer) operatorOn(ctx context.Context, adopt bool, args []string) (*rotate.Operator, rotate.State,
	[]secret.Address, error) {
	for _, arg := range args {
		if err := checkName(arg); err != nil {
			return nil, rotate.State{}, nil, err
		}
	}
	o, state, err := l.operator(ctx, adopt)
	if err != nil {
		return nil, state, nil, orWrongName(err, args)
	}
	addrs, err := namesOf(o.Spec, state).all(args)
	return o, state, addrs, err
}

// orWrongName returns the error of a command that could not read the names, or
// a usage error if an argument is hardly the name of a binding.
func orWrongName(err error, args []string) error {
	for _, arg := range args {
		if _, wrong := address(arg); wrong != nil && (strings.Count(arg, ".") > 1 || !bindingForm().MatchString(arg)) {
			return wrong
		}
	}
	return err
}

// declared returns a usage error if one of the addresses is not declared.
func declared(spec secret.Spec, addrs ...secret.Address) error {
	for _, addr := range addrs {
		if _, ok := find(spec, addr); !ok {
			near := namesOf(spec, rotate.State{}).near(addr.String())
			return usagef("%s is not declared%s `layer secret spec` lists the declarations", addr, cmp.Or(near, ":"))
		}
	}
	return nil
}

// hint adds to the error of a change the secrets whose address resembles an
// unknown one.
func (n names) hint(err error, addr secret.Address) error {
	known := slices.ContainsFunc(n, func(one name) bool { return one.Address == addr && !one.removed })
	if near := n.near(addr.String()); !known && near != "" {
		return fmt.Errorf("%w%s", err, near)
	}
	return err
}
