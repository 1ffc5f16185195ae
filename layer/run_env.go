package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// The variables of `layer secret run`. A program
// that uses package secret reads the stored texts, with all versions. Any other
// program needs the current value itself: --env passes one on under any name,
// and --plain passes on all under their binding names.

// passing is the flags of run that choose the variables.
type passing struct {
	keep  []string // --keep-env
	env   []string // --env, as typed
	plain bool

	kept  []string  // keep, parsed
	flags []envFlag // env, parsed
}

// parse checks the flags, before the ledger is opened.
func (p *passing) parse(l *layer) (err error) {
	if p.kept, err = l.keptNames(p.keep); err != nil {
		return err
	}
	p.flags, err = parseEnv(p.env, p.kept)
	return err
}

// given is the variables that a program gets, apart from the secrets' values.
type given struct {
	base    []string // the environment without secrets
	dropped []string // the names of layer's own credentials that base lacks
	secrets []secret.SpecSecret
	named   []namedValue
	plain   bool
}

// namedValue is one --env: the variable, and the secret whose current value it
// gets.
type namedValue struct {
	name string
	of   secret.SpecSecret
}

// envFlag is one --env, before the declarations are known.
type envFlag struct{ name, address string }

// parseEnv parses --env. Its errors repeat no part of a flag, which may be a
// value.
func parseEnv(typed, keep []string) ([]envFlag, error) {
	var list []envFlag
	for i, text := range typed {
		name, address, found := strings.Cut(text, "=")
		which := ordinal(i, len(typed))
		switch {
		case !found || name == "" || address == "":
			return nil, usagef("%s is not NAME=ADDRESS, such as PGPASSWORD=db.password: the secret's address, not its value",
				which)
		case !variableForm().MatchString(name):
			return nil, usagef("the NAME in %s cannot be the name of a variable, which has letters, digits and underscores, "+
				"and no digit first", which)
		case name == ledger.IdentityVariable:
			return nil, usagef("%s sets %s, which opens ledgers: give the program's variable another name", which, name)
		case slices.Contains(keep, name):
			return nil, usagef("%s and --keep-env set the same variable: leave one out", which)
		case slices.ContainsFunc(list, func(e envFlag) bool { return e.name == name }):
			return nil, usagef("%s sets a variable that an earlier one sets: each needs a NAME of its own", which)
		}
		list = append(list, envFlag{name, address})
	}
	return list, nil
}

// ordinal names one of several flags by its position.
func ordinal(i, of int) string {
	if of == 1 {
		return "--env"
	}
	return fmt.Sprintf("--env number %d", i+1)
}

// namedValues finds the declared secret of each --env.
func namedValues(list []envFlag, spec secret.Spec, state rotate.State) ([]namedValue, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var named []namedValue
	known := namesOf(spec, state)
	for i, e := range list {
		addr, err := known.resolve(e.address)
		if err != nil {
			return nil, usagef("%s: %w", ordinal(i, len(list)), err)
		}
		s, ok := find(spec, addr)
		if !ok {
			return nil, usagef("%s: %w", ordinal(i, len(list)), declared(spec, addr))
		}
		named = append(named, namedValue{e.name, s})
	}
	return named, nil
}

// environment returns the whole environment of the program, and the digests by
// which --watch detects a change.
//
// A variable of --env takes precedence over each other variable of that name.
// The secret of an --env is passed on under its binding name too, so that a
// program in Go that reads it there finds all versions.
func (g given) environment(state rotate.State) (env []string, content digests, err error) {
	env, content = slices.Clone(g.base), digests{}
	var missing []string
	lacks := func(s secret.SpecSecret) {
		if !slices.Contains(missing, s.Address.String()) {
			missing = append(missing, s.Address.String())
		}
	}
	for _, s := range g.secrets {
		if err := checkVariable(s, "an environment variable", "read it from a folder instead, or pass it on under another "+
			"name with --env"); err != nil {
			if g.isNamed(s) {
				continue
			}
			return nil, nil, err
		}
		text, err := g.text(state, s)
		switch {
		case errors.Is(err, rotate.ErrNotFound):
			if !s.Optional && !slices.ContainsFunc(env, func(v string) bool { return isNamed(v, s.Binding) }) {
				lacks(s)
			}
			continue
		case err != nil:
			return nil, nil, fmt.Errorf("%s: %w", s.Address, err)
		}
		if env, err = withValue(env, s.Binding, s, text); err != nil {
			return nil, nil, err
		}
		if content[s.Address], err = g.counted(state, s, text); err != nil {
			return nil, nil, err
		}
	}
	for _, n := range g.named {
		value, err := state.Value(n.of.Address)
		switch {
		case errors.Is(err, rotate.ErrNotFound):
			lacks(n.of)
			continue
		case err != nil:
			return nil, nil, fmt.Errorf("%s: %w", n.of.Address, err)
		}
		if env, err = withValue(env, n.name, n.of, value); err != nil {
			return nil, nil, err
		}
		content[n.of.Address] = digestOf(value.Reveal())
	}
	if len(missing) > 0 {
		return nil, nil, fmt.Errorf("the ledger has no value of %s: create the values that layer can make with `layer "+
			"secret apply`, and set the others with `layer secret set`", strings.Join(missing, ", "))
	}
	return env, content, nil
}

// text returns the text of a secret's binding: the stored text, or the current
// value with --plain.
func (g given) text(state rotate.State, s secret.SpecSecret) (driver.Value, error) {
	if g.plain {
		return state.Value(s.Address)
	}
	return state.Text(s)
}

// counted returns the digest of the content that counts as a change for --watch:
// the text of the binding, or only the current value. A program that reads the
// value itself has no use for an announced version.
func (g given) counted(state rotate.State, s secret.SpecSecret, text driver.Value) (digest, error) {
	if g.byValue(s) {
		value, err := state.Value(s.Address)
		return digestOf(value.Reveal()), err
	}
	return digestOf(text.Reveal()), nil
}

// byValue reports whether only the current value of a secret counts.
func (g given) byValue(s secret.SpecSecret) bool {
	return g.plain || g.isNamed(s)
}

// isNamed reports whether --env passes a secret on.
func (g given) isNamed(s secret.SpecSecret) bool {
	return slices.ContainsFunc(g.named, func(n namedValue) bool { return n.of.Address == s.Address })
}

func withValue(env []string, name string, s secret.SpecSecret, text driver.Value) ([]string, error) {
	if strings.ContainsRune(text.Reveal(), 0) {
		return nil, fmt.Errorf("%s: the value contains a zero byte, which an environment variable cannot: read it from a "+
			"folder instead", s.Address)
	}
	return append(without(env, name), name+"="+text.Reveal()), nil
}

// passedOver returns the names of layer's own credentials that the program does
// not get under their own name from a secret either.
func (g given) passedOver(env []string) []string {
	return slices.DeleteFunc(slices.Clone(g.dropped), func(name string) bool {
		return slices.ContainsFunc(env, func(v string) bool { return isNamed(v, name) })
	})
}
