package main

import (
	"fmt"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// variableForm matches a name that an environment variable and a Worker's
// binding can have.
var variableForm = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*$`)

// checkVariable returns an error for a secret whose binding name cannot be that
// of what: "an environment variable" or "a Worker's binding". The argument
// instead is the next step.
func checkVariable(s secret.SpecSecret, what, instead string) error {
	if variableForm().MatchString(s.Binding) {
		return nil
	}
	return fmt.Errorf("%s: its Options.Binding, %s, cannot be the name of %s, which has only letters, digits and _, and "+
		"no digit first: %s", s.Address, s.Binding, what, instead)
}
