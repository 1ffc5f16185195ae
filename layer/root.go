package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// The command line: flags that all commands share, parsing, errors and exit
// statuses. Arguments and flag values may be secrets that were typed in the
// wrong place. So no usage error repeats an argument, unless its form shows
// that it is no value.

// Exit statuses. Cron jobs and CI rely on them.
const (
	exitDone        = 0
	exitFailed      = 1 // or an operator is needed
	exitUsage       = 2
	exitInterrupted = 130
)

// usageError is an error in the use of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errSilent fails a command that has already printed the reason.
var errSilent = errors.New("needs a person")

// layer is one invocation: its input and output, and the flags that all
// commands share.
type layer struct {
	process
	out, err *screen

	ledger, ledgerID string
	above            string // the folder of a ledger that was found above the current one
	trusted          string // the id of a ledger that the operator has just trusted
	identity, spec   string
	to, store        string
	window, margin   time.Duration
	limit            int
	dry              bool // rotate --dry-run
	offline          bool // run and reveal: the target is not asked
	moves            bool // secret target: --to is the target to move to
	// then reports a result to the command of --then. nil: there is no --then.
	then func(*rotate.Operator, rotate.Result) (*thenJSON, error)
	// Rotate --now: print a hint if a version is already announced.
	asksForNow                      bool
	json                            bool
	workspace, project, environment string

	name    string          // of the command
	rev     rotate.Revision // of the ledger, as load returned it
	early   rotate.Result   // of a run that ended early
	warned  []string        // the warnings of warnOnce
	admins  []string        // variables with credentials of the declared generators
	kept    []string        // variables of --keep-env that must be among admins
	closers []io.Closer     // connections to close at the end

	ctx        context.Context // of the command, for questions that an identity asks
	keys, own  *keyboard       // the terminals of stdin and of the process, once opened
	unattended bool            // there is no person to ask
	busy       bool            // a watched program has the terminal
	unlocked   map[string]ledger.Identities
}

// atEnd registers a connection that is closed when the command ends.
func (l *layer) atEnd(c io.Closer) { l.closers = append(l.closers, c) }

// execute runs one command line and returns its exit status.
func execute(ctx context.Context, args []string, p process) int {
	l := &layer{process: p, ctx: ctx, out: newScreen(p.stdout, p.lookup), err: newScreen(p.stderr, p.lookup)}
	l.out.beside = l.err
	root := l.command()
	root.SetArgs(args)
	defer func() {
		for _, c := range l.closers {
			_ = c.Close()
		}
	}()
	return l.exit(ctx, root.ExecuteContext(ctx), args)
}

// wantsJSON reports whether the arguments ask for JSON. It is for command lines
// that could not be parsed.
func wantsJSON(args []string) bool {
	for _, a := range args {
		switch a {
		case "--json", "--json=true":
			return true
		case "--":
			return false
		}
	}
	return false
}

// exit prints an error and returns the exit status.
func (l *layer) exit(ctx context.Context, err error, args []string) int {
	l.err.clear()
	var ended programEnded
	if errors.As(err, &ended) {
		return int(ended)
	}
	var wrong usageError
	status, asJSON := exitFailed, l.json
	if l.out.lost != nil {
		l.err.line("layer: the output could not be written: %v", cause(l.out.lost))
		return exitFailed
	}
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errSilent):
		return exitFailed
	case errors.As(err, &wrong) || isUsage(err):
		status, asJSON = exitUsage, l.json || wantsJSON(args)
	case errors.Is(err, rotate.ErrInterrupted):
		status = exitInterrupted
	case ctx.Err() != nil:
		// The interruption is the cause of every error after it.
		status, err = exitInterrupted, fmt.Errorf("%w: run it again to continue", rotate.ErrInterrupted)
	}
	text := words(err)
	if asJSON {
		l.printJSON(failureJSON{Error: text, Actions: actionsJSON(l.early.Actions),
			Unconfirmed: actionsJSON(l.early.Unconfirmed), Warnings: warningsJSON(l.early.Warnings)})
		return status
	}
	l.printError(err)
	if status == exitUsage {
		fmt.Fprintln(l.err, "`layer secret --help` lists commands and flags, and `layer secret COMMAND --help` shows "+
			"examples.")
	}
	return status
}

// isUsage recognizes the usage errors of cobra's own commands, which have no
// type.
func isUsage(err error) bool {
	for _, start := range []string{"unknown command", "accepts ", "requires at least"} {
		if strings.HasPrefix(err.Error(), start) {
			return true
		}
	}
	return false
}

func (l *layer) command() *cobra.Command {
	root := &cobra.Command{Use: "layer", Short: "Secrets that rotate", SilenceErrors: true, SilenceUsage: true,
		Args: noArgs,
		RunE: needsCommand, Version: buildVersion()}
	root.SetVersionTemplate("{{.Version}}\n")
	root.Flags().Bool("version", false, "print the version") // without cobra's -v
	root.SetIn(l.in)
	root.SetOut(l.stdout) // the completion command copies it when it is created
	root.SetErr(l.stderr)
	group := &cobra.Command{Use: "secret", Short: "Create, rotate and publish the secrets that a program declares",
		Args: noArgs,
		Long: `Create, rotate and publish the secrets that a program declares.

An ADDRESS is namespace.name, as in billing.stripe-secret; the default namespace is written too, as
in default.token. The name of the secret's binding works in its place.`,
		Example: `  layer secret init --to dir:./secrets
  layer secret apply
  layer secret rotate`,
		RunE: needsCommand}
	group.PersistentPreRunE = func(c *cobra.Command, _ []string) (err error) {
		l.name = c.Name()
		if err := cmp.Or(l.checkZeros(c.Flags()), l.checkLedgerID(), l.findLedger(c)); err != nil {
			return err
		}
		l.to, err = l.typedTarget(l.to)
		return err
	}
	f := group.PersistentFlags()
	f.StringVar(&l.ledger, "ledger", ledgerName, "the ledger: a `FILE`, s3://BUCKET/PREFIX?endpoint=https://…\n"+
		"or postgres://HOST/DATABASE; LAYER_LEDGER changes the default. A default file that is\n"+
		"not here is looked for in the folders above")
	l.ledger = cmp.Or(l.getenv("LAYER_LEDGER"), l.ledger)
	f.StringVar(&l.ledgerID, "ledger-id", "", "the `ID` that the ledger must have, as layer secret ledger id prints it;\n"+
		"LAYER_LEDGER_ID changes the default")
	f.StringVar(&l.identity, "identity", "", "the `FILE` with the key to the ledger (default the key in LAYER_IDENTITY,\n"+
		"else layer.identity beside the ledger file,\nelse layer.identity in the working directory)")
	f.StringVar(&l.spec, "spec", "", "the `FILE` with the declarations, as layer secret spec prints them;\n"+
		"- for stdin (default the declarations in ./..., from the folder of the ledger file)")
	f.StringVar(&l.to, "to", "", "the `TARGET` where values are published: "+targets+"\n(default the target of init)")
	f.StringVar(&l.store, "store", "", "the `ID` of the Secrets Store (default the account's only one)")
	durationVar(f, &l.window, "window", 0, "the `TIME`, such as 90m or 1d12h, after which every reader has the\n"+
		"published text (default the window of init, 24h)")
	durationVar(f, &l.margin, "margin", 0, "the `TIME` to allow for late requests and clock skew (default the margin of "+
		"init, 24h)")
	f.IntVar(&l.limit, "limit", rotate.DefaultLimit, "the largest size of a published text, in `BYTES`")
	f.BoolVar(&l.json, "json", false, "print one JSON object")
	for _, c := range []*cobra.Command{l.initCommand(), l.specCommand(), l.planCommand(), l.applyCommand(), l.setCommand(),
		l.rotateCommand(), l.rollbackCommand(), l.revokeCommand(), l.renameCommand(), l.removeCommand(), l.statusCommand(),
		l.targetCommand(), l.timelineCommand(),
		l.bindingsCommand(), l.runCommand(), l.revealCommand(), l.exportCommand(), l.importCommand(), l.doctorCommand(),
		l.vetCommand(), l.ledgerCommand(), l.generatorCommand(), l.logCommand(), helpCommand()} {
		group.AddCommand(c)
	}
	root.AddCommand(group)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			l.completions(c)
		}
	}
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(func(c *cobra.Command) error {
		usage(c.OutOrStderr(), c)
		return nil
	})
	return root
}

// helpCommand makes `layer secret help rotate` print the text of `layer secret
// rotate --help`.
func helpCommand() *cobra.Command {
	return &cobra.Command{Use: "help [COMMAND]", Short: "Show the help of a command", Args: count(0, 1), Hidden: true,
		Annotations: map[string]string{noSearch: "it needs none"},
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Parent().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(c.Parent(), args[0])
			}
			return about.Help()
		}}
}

// checkZeros gives a typed zero its own meaning. Without the flag, zero means
// the setting that init stored in the ledger.
func (l *layer) checkZeros(f *pflag.FlagSet) error {
	if f.Changed("window") && l.window == 0 {
		return usagef("--window is at least %v", minWindow)
	}
	if f.Changed("margin") && l.margin == 0 {
		l.margin = time.Nanosecond // the smallest margin
	}
	return nil
}

func needsCommand(c *cobra.Command, _ []string) error {
	return usagef("`%s` needs a command: `%[1]s --help` lists them", c.CommandPath())
}

// takes describes the values that each type of flag accepts.
var takes = map[string]string{"bool": "no value", "duration": "a time such as 24h or 90m", "int": "a whole number"}

func noArgs(c *cobra.Command, args []string) error { return count(0, 0)(c, args) }

// count returns a check of the number of arguments; most below zero means any
// number.
func count(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("`%s` needs more arguments: %s %s", c.CommandPath(), c.Parent().CommandPath(), c.Use)
		case most >= 0 && len(args) > most && c.HasSubCommands():
			return unknownCommand(c, args[most])
		case most == 0 && len(args) > 0:
			return usagef("`%s` takes no arguments", c.CommandPath())
		case most >= 0 && len(args) > most:
			// Not repeated: it may be a value.
			return usagef("`%s` has too many arguments: %s %s", c.CommandPath(), c.Parent().CommandPath(), c.Use)
		}
		return nil
	}
}
