package main

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/rotate"
)

// `layer secret run` gives a program the stored texts in its environment. No
// value is written to a file or an argument list. The ledger is compared with
// the target's notes first, so that an old copy cannot start a program with
// revoked values.

// commandForm matches the name of a program. Any other text may be a value.
var commandForm = lazyregexp.New(`^[a-z][a-z._-]{0,24}$`)

func (l *layer) runCommand() *cobra.Command {
	var keep []string
	c := &cobra.Command{Use: "run -- COMMAND [ARGUMENT...]", Short: "Run a program with its secrets in its environment",
		Args: cobra.ArbitraryArgs,
		Long: `Run a program with its secrets in its environment, under their binding names. Each variable contains
the full stored text, with all versions. A process keeps the texts that it started with: restart it
within three quarters of the window after a version is announced.

layer's own credentials are not passed on: LAYER_IDENTITY, CLOUDFLARE_API_TOKEN, PGPASSWORD,
PGSSLPASSWORD, ETCDCTL_USER and ETCDCTL_PASSWORD, and, with a ledger in a bucket, the AWS_…
credentials. --keep-env passes one on that the program needs.

run refuses an old copy of the ledger, which it detects by the notes in the target. Without a
credential for the target it does not read the notes.`,
		Example: `  layer secret run -- go run ./cmd/server`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("`layer secret run` needs a program: layer secret run -- COMMAND")
			}
			program, err := exec.LookPath(args[0])
			if err != nil {
				name := l.fileName(args[0], "the program")
				if commandForm().MatchString(args[0]) {
					name = args[0]
				}
				return fmt.Errorf("%s cannot be run: there is no such program here or in PATH, or it is not executable", name)
			}
			env, err := l.withSecrets(c, keep)
			if err != nil {
				return err
			}
			l.err.clear()
			// The program replaces this process, so that signals, terminal and exit status
			// are its own.
			return fmt.Errorf("%s cannot be run: %w: it is no program for this machine, or a script whose first line names "+
				"no interpreter",
				args[0], l.exec(program, args, env))
		}}
	l.offlineFlag(c)
	c.Flags().StringArrayVar(&keep, "keep-env", nil, "the `NAME` of one of layer's own credentials to pass on; repeat "+
		"for more")
	c.Flags().SetInterspersed(false)
	return c
}

// withSecrets returns the environment with the stored texts of the declared
// secrets, and without layer's own credentials except those that --keep-env
// names.
func (l *layer) withSecrets(c *cobra.Command, keep []string) ([]string, error) {
	kept, err := keptNames(keep)
	if err != nil {
		return nil, err
	}
	opened, state, err := l.current(c.Context(), opening{})
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
	env, dropped := l.passedOn(kept)
	var missing []string
	for _, s := range spec.Secrets {
		if err := checkVariable(s, "an environment variable", "read it from a folder instead"); err != nil {
			return nil, err
		}
		text, err := state.Text(s)
		switch {
		case errors.Is(err, rotate.ErrNotFound):
			if !slices.ContainsFunc(env, func(v string) bool { return isNamed(v, s.Binding) }) {
				missing = append(missing, s.Address.String())
			}
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", s.Address, err)
		case strings.ContainsRune(text.Reveal(), 0):
			return nil, fmt.Errorf("%s: the value contains a zero byte, which an environment variable cannot: read it from a "+
				"folder instead", s.Address)
		}
		env = append(without(env, s.Binding), s.Binding+"="+text.Reveal())
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the ledger has no value of %s: create the values that layer can make with `layer "+
			"secret apply`", strings.Join(missing, ", "))
	}
	dropped = slices.DeleteFunc(dropped, func(name string) bool { // a secret has the same name
		return slices.ContainsFunc(env, func(v string) bool { return isNamed(v, name) })
	})
	if len(dropped) > 0 {
		l.say("not passed on: %s: pass one on with --keep-env NAME", strings.Join(dropped, ", "))
	}
	return env, nil
}
