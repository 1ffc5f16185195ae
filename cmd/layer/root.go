package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/rotate"
)

// Exit statuses.
const (
	exitDone        = 0
	exitFailed      = 1 // or needs a person
	exitUsage       = 2
	exitInterrupted = 130
)

// usageError is a wrong use of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errSilent fails a command that has said already why.
var errSilent = errors.New("needs a person")

// exitCode ends with the status of a child.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// layer is one invocation: flags that every command has, and where its input and output go.
type layer struct {
	in       io.Reader
	out, err *screen

	ledger, identity, spec            string
	to, store                         string
	window, margin                    time.Duration
	limit                             int
	json                              bool
	workspace, project, environment   string
	setWorkspace, setProject, setEnvs bool

	dir string // where relative paths begin; empty: the working directory
}

// execute runs one command line and returns its exit status.
func execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	l := &layer{in: in, out: newScreen(out), err: newScreen(errs)}
	root := l.command()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	return l.exit(root.ExecuteContext(ctx), wantsJSON(args))
}

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

// exit reports an error and returns the exit status.
func (l *layer) exit(err error, asJSON bool) int {
	l.err.clear()
	var code exitCode
	var wrong usageError
	status := exitFailed
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, errSilent):
		return exitFailed
	case errors.As(err, &wrong) || isUsage(err):
		status = exitUsage
	case errors.Is(err, rotate.ErrInterrupted), errors.Is(err, context.Canceled):
		status = exitInterrupted
	}
	text := strings.TrimPrefix(err.Error(), "secret: ")
	if asJSON {
		l.printJSON(map[string]any{"ok": false, "error": text})
		return status
	}
	fmt.Fprintf(l.err, "layer: %s\n", text)
	if status == exitUsage {
		fmt.Fprintln(l.err, "`layer secret --help` lists commands and flags, and `layer secret COMMAND --help` shows examples.")
	}
	return status
}

// isUsage knows cobra's own complaints, which have no type.
func isUsage(err error) bool {
	for _, start := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs", "invalid argument", "accepts ",
		"requires at least", "required flag", "if any flags in the group", "bad flag syntax"} {
		if strings.HasPrefix(err.Error(), start) {
			return true
		}
	}
	return false
}

func (l *layer) command() *cobra.Command {
	root := &cobra.Command{Use: "layer", Short: "Secrets that rotate", SilenceErrors: true, SilenceUsage: true, Args: noArgs,
		RunE: needsCommand}
	group := &cobra.Command{Use: "secret", Short: "Create, rotate and publish the secrets that a program declares", Args: noArgs,
		Example: `  layer secret init --to dir:./secrets
  layer secret apply
  layer secret rotate`,
		RunE: needsCommand}
	f := group.PersistentFlags()
	f.StringVar(&l.ledger, "ledger", "layer.secrets.age", "the ledger's file")
	f.StringVar(&l.identity, "identity", "", "the file with the key to the ledger (default layer.identity beside it, or the key in LAYER_IDENTITY)")
	f.StringVar(&l.spec, "spec", "", "a file with the declarations as `layer secret spec` prints them, - for stdin (default the declarations of ./...)")
	f.StringVar(&l.to, "to", "", "where values are published: dir:PATH or cloudflare (default what init was told)")
	f.StringVar(&l.store, "store", "", "the id of the Secrets Store (default the account's only one)")
	f.DurationVar(&l.window, "window", 0, "after that long every reader has seen what was published (default what init was told, 24h)")
	f.DurationVar(&l.margin, "margin", 0, "for late requests and clocks that differ (default what init was told, 24h)")
	f.IntVar(&l.limit, "limit", rotate.DefaultLimit, "the most bytes that a published text may have")
	f.BoolVar(&l.json, "json", false, "print one JSON object")
	for _, c := range []*cobra.Command{l.initCommand(), l.specCommand(), l.planCommand(), l.applyCommand(), l.setCommand(),
		l.rotateCommand(), l.rollbackCommand(), l.revokeCommand(), l.renameCommand(), l.removeCommand(), l.statusCommand(),
		l.bindingsCommand(), l.runCommand(), l.revealCommand(), l.ledgerCommand(), l.logCommand()} {
		group.AddCommand(c)
	}
	root.AddCommand(group)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	return root
}

func needsCommand(c *cobra.Command, _ []string) error {
	if err := c.Help(); err != nil {
		return err
	}
	return exitCode(exitUsage)
}

func noArgs(c *cobra.Command, args []string) error { return count(0, 0)(c, args) }

// count is the number of arguments that a command takes.
func count(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("`%s` needs an argument: %s", c.CommandPath(), c.UseLine())
		case most >= 0 && len(args) > most && c.HasSubCommands():
			return usagef("there is no command %q in `%s`", args[most], c.CommandPath())
		case most >= 0 && len(args) > most:
			return usagef("`%s` takes no argument %q", c.CommandPath(), args[most])
		}
		return nil
	}
}

// path returns a path as the process sees it.
func (l *layer) path(name string) string { return name }

func getenv(name string) string { return strings.TrimSpace(os.Getenv(name)) }
