package main

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

func (l *layer) runCommand() *cobra.Command {
	c := &cobra.Command{Use: "run -- COMMAND [ARGUMENT...]", Short: "Run a program with its secrets in its environment", Args: cobra.ArbitraryArgs,
		Long: `Run a program with its secrets in its environment, under their binding names: the full stored text each, with all versions. The key to the
ledger is not passed on. A process keeps what it started with: restart it within three quarters of the window after a version is announced.

An old copy of the ledger is refused: the notes in the target show it. Without a credential for the target they are not looked at.`,
		Example: `  layer secret run -- go run ./cmd/server`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("`layer secret run` needs a program: layer secret run -- COMMAND")
			}
			program, err := exec.LookPath(args[0])
			if err != nil {
				return fmt.Errorf("%s cannot be run: there is no such program here or in PATH, or it may not be executed", args[0])
			}
			env, err := l.withSecrets(c)
			if err != nil {
				return err
			}
			l.err.clear()
			// The program takes this process's place: signals, terminal and exit status are its own.
			return fmt.Errorf("%s cannot be run: %w: it is no program for this machine, or a script without a first line that names its interpreter", args[0], l.exec(program, args, env))
		}}
	l.offlineFlag(c)
	c.Flags().SetInterspersed(false)
	return c
}

// withSecrets returns the environment with the texts of the declared secrets, and
// without the key to the ledger.
func (l *layer) withSecrets(c *cobra.Command) ([]string, error) {
	opened, state, _, err := l.current(c.Context(), opening{})
	if err != nil {
		return nil, err
	}
	spec, err := l.readSpec(c.Context(), state.Settings())
	if err != nil {
		return nil, err
	}
	if err := l.compareNotes(c.Context(), opened, state, spec.Secrets...); err != nil {
		return nil, err
	}
	env := slices.DeleteFunc(l.environ(), func(v string) bool { return strings.HasPrefix(v, ledger.IdentityVariable+"=") })
	var missing []string
	for _, s := range spec.Secrets {
		text, err := state.Text(s)
		switch {
		case errors.Is(err, rotate.ErrNotFound):
			if _, ok := l.lookup(s.Binding); !ok {
				missing = append(missing, s.Address.String())
			}
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", s.Address, err)
		case strings.ContainsRune(text.Reveal(), 0):
			return nil, fmt.Errorf("%s: its value holds a zero byte, which no environment can hold: read it from a folder instead", s.Address)
		}
		name := s.Binding + "="
		env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, name) })
		env = append(env, name+text.Reveal())
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the ledger holds no value of %s: `layer secret apply` creates what can be created", strings.Join(missing, ", "))
	}
	return env, nil
}
