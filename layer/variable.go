package main

import (
	"fmt"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/binding"
)

// checkVariable returns an error for a secret whose binding name cannot be that
// of what: "an environment variable" or "a Worker's binding".
func checkVariable(s secret.SpecSecret, what, instead string) error {
	if binding.IsVariable(s.Binding) {
		return nil
	}
	return fmt.Errorf("%s: its Options.Binding, %s, cannot be the name of %s, which has only letters, digits and _, and "+
		"no digit first: %s", s.Address, s.Binding, what, instead)
}
