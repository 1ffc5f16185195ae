package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/generate/postgres"
	programs "github.com/layeron-hq/secret/layer/generate/program"
	"github.com/layeron-hq/secret/layer/generate/r2"
	"github.com/layeron-hq/secret/layer/rotate"
)

// The generators of layer, and the command that tests a program before a
// declaration names it: a program with a fault would otherwise show it in the
// first rotation.

// generators returns the generators that this process has the means for.
func (l *layer) generators() (map[string]driver.Generator, error) {
	all := map[string]driver.Generator{programs.Name: programs.New(l.programs()),
		postgres.Name: postgres.New(postgres.Options{Getenv: l.getenv})}
	if l.getenv("CLOUDFLARE_API_TOKEN") != "" && l.getenv("CLOUDFLARE_ACCOUNT_ID") != "" {
		tokens, err := r2.New(l.r2())
		if err != nil {
			return nil, err
		}
		all[r2.Name] = tokens
	}
	return all, nil
}

// programs returns the options of the generator program: the folder of the
// ledger, and an environment without layer's own credentials.
func (l *layer) programs() programs.Options {
	p, _ := l.parsePlace(l.ledger) // no error: it was parsed before
	environ, _ := l.passedOn(nil)
	return programs.Options{Folder: cmp.Or(l.path(p.folder()), "."), Env: environ,
		Show: func(name, line string) { l.err.line("%s: %s", name, line) }}
}

func (l *layer) generatorCommand() *cobra.Command {
	c := &cobra.Command{Use: "generator", Short: "Test a program that makes values", Args: noArgs, RunE: needsCommand,
		Example: `  layer secret generator test ./rotate-stripe.sh`}
	c.AddCommand(l.generatorTestCommand())
	return c
}

func (l *layer) generatorTestCommand() *cobra.Command {
	var given []string
	c := &cobra.Command{Use: "test PROGRAM", Short: "Test a program for the generator \"program\"", Args: count(1, 1),
		Long: `Run a program for the generator "program" through every step, as a rotation does, and say what is
wrong. The command makes three values with the program and ends them, so the provider is asked for
real ones: use an account for tests. It changes neither ledger nor target, and needs no ledger. docs/generators.md describes
what a program has to do.

A relative path and the program's working directory start at the folder of the ledger file, if there
is one, as in a declaration. Exit status 1: the program has a fault.`,
		Example: `  layer secret generator test ./rotate-stripe.sh
  layer secret generator test ./rotate-stripe.sh --param account=acme --param timeout=90s --json`,
		RunE: func(c *cobra.Command, args []string) error {
			params, err := parseParams(given)
			if err != nil {
				return err
			}
			if !isPath(args[0]) && l.fileName(args[0], "") == "" || resemblesKey(args[0]) {
				return usagef("PROGRAM takes the path of a program, such as ./rotate-stripe.sh")
			}
			params["make"] = args[0]
			return l.testProgram(c.Context(), params)
		}}
	c.Flags().StringArrayVar(&given, "param", nil, "a parameter of the declaration, as `NAME=VALUE`; repeat for more")
	return c
}

// parseParams parses --param. Its errors repeat no text, which may be a value.
func parseParams(given []string) (map[string]string, error) {
	params := map[string]string{}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		_, twice := params[name]
		switch {
		case !ok || name == "" || strings.ContainsFunc(name, unicode.IsSpace):
			return nil, usagef("--param takes NAME=VALUE, such as --param account=acme")
		case name == "make":
			return nil, usagef("--param make is the program itself: name it as the argument")
		case twice:
			return nil, usagef("--param names one parameter twice")
		}
		params[name] = value
	}
	return params, nil
}

// stepJSON is one finding about a program.
type stepJSON struct {
	Step string `json:"step"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

func (l *layer) testProgram(ctx context.Context, params map[string]string) error {
	list, faults := []stepJSON{}, 0
	l.progressText("running the program")
	ok, err := programs.Conform(ctx, l.programs(), params, func(f programs.Finding) {
		list = append(list, stepJSON{f.Step, f.OK, f.Text})
		word := "ok"
		if !f.OK {
			word = "FAIL"
			faults++
		}
		if !l.json {
			l.err.clear()
			l.out.line("%-4s  %-6s  %s", word, f.Step, f.Text)
		}
	})
	if err != nil {
		return fmt.Errorf("%w: the values that the program made were ended, as far as it can", rotate.ErrInterrupted)
	}
	summary := ""
	if !ok {
		summary = "the program has 1 fault: docs/generators.md describes each step"
		if faults > 1 {
			summary = fmt.Sprintf("the program has %d faults: docs/generators.md describes each step", faults)
		}
	}
	if l.json {
		l.printJSON(struct {
			OK    bool       `json:"ok"`
			Steps []stepJSON `json:"steps"`
			Error string     `json:"error,omitempty"`
		}{ok, list, summary})
	} else if summary != "" {
		l.say("%s", summary)
	}
	if !ok {
		return errSilent
	}
	return nil
}
