package secrettest

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/binding"
)

// naming returns the context of a read or a Watch in which addr has a declared
// binding name.
func naming(ctx context.Context, addr secret.Address, name string) context.Context {
	return &binding.Names{In: ctx, Of: map[string]string{addr.String(): name}}
}

// checkBinding reports only the faults of a store that ignores declared names.
// checkText and checkMissing report the others.
func checkBinding(s secret.Store, values map[secret.Address]string) (problems []error) {
	key, missing := addr("near", "key"), addr("text", "missing")
	for _, a := range []secret.Address{addr("text", "token"), missing} {
		text, err, problem := get(naming(context.Background(), a, key.Binding()), s, a)
		switch {
		case problem != nil:
			problems = append(problems, problem)
		case err != nil:
			broken := bound
			if !errors.Is(err, secret.ErrNotFound) {
				broken = failing(a, err, bound.cure, key.Binding())
			}
			problems = append(problems, broken.broken("Get(%s) with Options.Binding %s fails: %w", a, key.Binding(), err))
		case text == values[a]:
			problems = append(problems, bound.broken("Get(%s) with Options.Binding %s returns the text of the derived name",
				a, key.Binding()))
		}
	}
	// No derived name has this form, and a variable can have it.
	const lower = "secrettest_missing_1"
	ctx := naming(context.Background(), missing, lower)
	_, err, problem := get(ctx, s, missing)
	switch {
	case problem != nil:
		problems = append(problems, problem)
	case err != nil && !errors.Is(err, secret.ErrNotFound):
		problems = append(problems,
			failing(missing, err, wrapped.cure, lower).broken("Get(%s) with Options.Binding %s, under which there is no "+
				"value, gives an error that does not wrap secret.ErrNotFound: %w", missing, lower, err))
	case err != nil && strings.Contains(err.Error(), missing.Binding()):
		problems = append(problems, bound.broken("Get(%s) with Options.Binding %s gives an error with the derived name: %w",
			missing, lower, err))
	}
	// The other addresses keep their names.
	text, err, problem := get(ctx, s, key)
	switch {
	case problem != nil:
		problems = append(problems, problem)
	case err != nil && !errors.Is(err, secret.ErrNotFound):
		problems = append(problems, failing(key, err, bound.cure).broken(
			"Get(%s) fails where another address has an Options.Binding: %w", key, err))
	case err != nil || text == values[missing]:
		problems = append(problems, bound.broken("Get(%s) fails where another address has an Options.Binding", key))
	}
	return problems
}

// watchBinding watches one address under the name of another.
func watchBinding(s watched) error {
	s.reset()
	ctx := naming(context.Background(), watchNone, watchB.Binding())
	w := s.watch(ctx, nil)
	err := w.settled()
	if err == nil {
		err = s.afterIn(ctx, w, watchNone, "a change of the value that its Options.Binding names",
			func() { s.set(watchB, "second b") }, wantText("second b"))
	}
	if err != nil {
		err = under(err, bound.cure, "with an Options.Binding, %w")
	}
	return cmp.Or(err, w.stop())
}
