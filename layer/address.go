package main

import (
	"strings"

	"github.com/layeron-hq/secret"
)

// The addresses on the command line. An operator types billing.stripe-secret,
// which no shell changes. The form $SECRET.billing.stripe-secret works too, and
// is the one in messages and JSON. An argument may be a value that was typed in
// the wrong place, so no error repeats one that is no address.

// addressPrefix begins an address in its full form.
const addressPrefix = "$SECRET."

// short returns an address as an operator types it.
func short(addr secret.Address) string { return strings.TrimPrefix(addr.String(), addressPrefix) }

// address parses an address in its short or its full form.
func address(arg string) (secret.Address, error) {
	addr, err := secret.ParseAddress(addressPrefix + strings.TrimPrefix(arg, addressPrefix))
	switch {
	case err == nil:
		return addr, nil
	case strings.HasPrefix(arg, "."), strings.Count(arg, ".") == 2 && !strings.HasPrefix(arg, addressPrefix):
		return addr, usagef("a shell has replaced $SECRET: type namespace.name alone, or '$SECRET.namespace.name' in " +
			"single quotes")
	}
	return addr, usagef("an address is namespace.name, or '$SECRET.namespace.name' in single quotes: namespace and name " +
		"have 1 to 63 of a-z, 0-9, and between them - and _")
}
