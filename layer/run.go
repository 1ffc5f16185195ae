package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// `layer secret run` starts a program with secrets in its environment. No value
// is written to a file or an argument list. The ledger is compared with the
// target's notes first, so that an old copy cannot start a program with revoked
// values.

// commandForm matches the name of a program. Any other text may be a value.
var commandForm = lazyregexp.New(`^[a-z][a-z._-]{0,24}$`)

func (l *layer) runCommand() *cobra.Command {
	var p passing
	var w watching
	c := &cobra.Command{Use: "run -- COMMAND [ARGUMENT...]", Short: "Run a program with its secrets in its environment",
		Args: cobra.ArbitraryArgs,
		Long: `Run a program with its secrets in its environment, under their binding names. Each variable contains
the full stored text, with all versions, as a program that uses the library reads it.

For any other program, --env NAME=ADDRESS adds a variable with the current value itself, and --plain
passes on the current value of every secret under its binding name. A variable of --env takes
precedence over each other variable of that name.

A process keeps the environment that it started with: restart it within three quarters of the window
after a version is announced. --watch does that: it restarts the program when a value in its
environment, or in a target that is a folder, has changed. The program gets SIGTERM, and SIGKILL 10
seconds later. When the program ends by itself, run ends with its exit status. With --signal the
program gets that signal instead of a restart. Its environment stays as it was, so --signal is for a
program that reads its values from the target's folder, or that starts itself again. A changed
ledger that cannot be used, such as an older one, is reported, and the program keeps running.

layer's own credentials are not passed on: LAYER_IDENTITY, CLOUDFLARE_API_TOKEN, PGPASSWORD,
PGSSLPASSWORD, ETCDCTL_USER and ETCDCTL_PASSWORD, the variable in dsn_env of a declared secret, and,
with a ledger in a bucket, the AWS_… credentials. --keep-env passes one on that the program needs.

run refuses an old copy of the ledger, which it detects by the notes in the target. Without a
credential for the target it does not read the notes.`,
		Example: `  layer secret run -- go run ./cmd/server
  layer secret run --env PGPASSWORD=db.password -- psql -h db.example.com
  layer secret run --watch --plain -- node server.js
  layer secret run --watch --signal HUP -- nginx -g 'daemon off;'`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("`layer secret run` needs a program: layer secret run -- COMMAND")
			}
			if err := cmp.Or(p.parse(l), w.parse(c.Flags().Changed("signal"))); err != nil {
				return err
			}
			path, err := exec.LookPath(args[0])
			if err != nil {
				return fmt.Errorf("%s cannot be run: there is no such program here or in PATH, or it is not executable",
					l.programName(args[0]))
			}
			f, err := l.withSecrets(c.Context(), p)
			if err != nil {
				return err
			}
			l.err.clear()
			if w.on {
				return l.runWatched(c.Context(), command{path, l.programName(args[0]), args}, f, w.number)
			}
			// The program replaces this process, so that signals, terminal and exit status
			// are its own.
			return cannotRun(l.programName(args[0]), l.exec(path, args, f.env))
		}}
	l.offlineFlag(c)
	f := c.Flags()
	f.StringArrayVar(&p.env, "env", nil, "put the current value of a secret into a variable, as `NAME=ADDRESS`; repeat "+
		"for more")
	f.BoolVar(&p.plain, "plain", false, "pass on current values, not stored texts with all versions")
	f.BoolVar(&w.on, "watch", false, "restart the program when a value has changed")
	f.StringVar(&w.signal, "signal", "", "with --watch: send this `SIGNAL`, such as HUP, instead of a restart")
	f.StringArrayVar(&p.keep, "keep-env", nil, "the `NAME` of one of layer's own credentials to pass on; repeat "+
		"for more")
	f.SetInterspersed(false)
	_ = c.RegisterFlagCompletionFunc("signal", cobra.FixedCompletions(sendable, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// programName returns the words for a program in a message.
func (l *layer) programName(typed string) string {
	if commandForm().MatchString(typed) {
		return typed
	}
	return l.fileName(typed, "the program")
}

// cannotRun returns the error for a program that the system refuses to run.
func cannotRun(name string, err error) error {
	if errors.Is(err, syscall.E2BIG) {
		return fmt.Errorf("%s cannot be run: its environment is too large for this system: give it a folder of values, the "+
			"target dir:PATH", name)
	}
	return fmt.Errorf("%s cannot be run: %w: it is no program for this machine, or a script whose first line names no "+
		"interpreter", name, err)
}

// withSecrets returns the environment of the program, without layer's own
// credentials except those that --keep-env names, as a feed that can follow
// later changes.
func (l *layer) withSecrets(ctx context.Context, p passing) (*feed, error) {
	opened, state, err := l.current(ctx, opening{})
	if err != nil {
		return nil, err
	}
	spec, err := l.readSpec(ctx, state.Settings())
	if err != nil {
		return nil, err
	}
	g := given{secrets: spec.Secrets, plain: p.plain}
	if g.named, err = namedValues(p.flags, spec, state); err != nil {
		return nil, err
	}
	f := &feed{l: l, opened: opened, state: state, notes: noteReader{l: l}}
	notice, err := f.notes.compare(ctx, opened, state, spec.Secrets)
	if notice != "" {
		l.say("%s", notice)
	}
	if err != nil {
		return nil, err
	}
	g.base, g.dropped = l.passedOn(p.kept)
	env, content, err := g.environment(state)
	if err != nil {
		return nil, err
	}
	f.given, f.env, f.view.ledger, f.notice = g, env, content, notice
	if dropped := g.passedOver(env); len(dropped) > 0 {
		l.say("not passed on: %s: pass one on with --keep-env NAME", strings.Join(dropped, ", "))
	}
	return f, nil
}
