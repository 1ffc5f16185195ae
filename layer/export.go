package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/dotenv"
	"github.com/layeron-hq/secret/layer/rotate"
)

// `layer secret export` prints current values for programs that do not know this
// library. A value is printed exactly or refused by its address: a file that
// reads as another value would fail only in production.

// exported is a secret with the value to print.
type exported struct {
	spec  secret.SpecSecret
	value driver.Value
}

// exportFormats are the formats of export, and the function that writes each.
var exportFormats = map[string]func([]exported) (text string, notes []string, err error){
	"dotenv": exportDotenv, "json": exportJSON, "shell": exportShell}

func (l *layer) exportCommand() *cobra.Command {
	format := "dotenv"
	yes := false
	c := &cobra.Command{Use: "export [ADDRESS...]", Short: "Print the current values under their binding names",
		Args: count(0, -1), ValidArgsFunction: l.completeAddresses(-1),
		Long: `Print the current values of the declared secrets, or of those given, under their binding names. export
asks first, because others may read, log or record the output. It refuses an old copy of the ledger,
which it detects by the notes in the target. Without a credential for the target it does not read
the notes. It prints all values or none: a secret without a value, and a value or a binding name that
the format cannot hold, is an error. An optional secret without a value is left out, unless it is given.

dotenv is for godotenv and layer secret import, and stderr names the values that npm's dotenv reads
differently. shell has lines such as export NAME='value', for eval. json is one object with a member
for each binding name. --json prints that object as the member values, beside ok.`,
		Example: `  layer secret export > .env
  layer secret export --format json billing.stripe-secret --yes
  eval "$(layer secret export --format shell --yes)"`,
		RunE: func(c *cobra.Command, args []string) error {
			write, known := exportFormats[format]
			switch {
			case !known: // not repeated: it may be a value
				return usagef("--format is dotenv, json or shell")
			case l.json && c.Flags().Changed("format") && format != "json":
				return usagef("--json and --format %s contradict each other", format)
			}
			list, err := l.toExport(c, args)
			if err != nil {
				return err
			}
			if l.json {
				write = exportJSON
			}
			text, notes, err := write(list)
			if err != nil {
				return err
			}
			for _, note := range notes {
				l.say("%s", note)
			}
			if !yes {
				question := fmt.Sprintf("Print the current values of %d secrets here?", len(list))
				if len(list) == 1 {
					question = fmt.Sprintf("Print the current value of %s here?", list[0].spec.Address)
				}
				switch ok, err := l.ask(c.Context(), question); {
				case err != nil:
					return err
				case !ok:
					return errors.New("nothing was printed")
				}
			}
			if l.json {
				l.printJSON(map[string]any{"ok": true, "values": valuesByBinding(list)})
				return nil
			}
			_, err = fmt.Fprint(l.out, text)
			return err
		}}
	l.offlineFlag(c)
	c.Flags().StringVar(&format, "format", format, "the `FORMAT`: dotenv, json or shell")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"dotenv", "json", "shell"},
		cobra.ShellCompDirectiveNoFileComp))
	return c
}

// toExport returns the secrets that the arguments name, or all declared ones,
// with their values from a ledger that the notes in the target do not
// contradict.
func (l *layer) toExport(c *cobra.Command, args []string) ([]exported, error) {
	for _, arg := range args {
		if err := checkName(arg); err != nil {
			return nil, err
		}
	}
	opened, state, err := l.current(c.Context(), opening{})
	if err != nil {
		return nil, orWrongName(err, args)
	}
	spec, err := l.readSpec(c.Context(), state.Settings())
	if err != nil {
		return nil, orWrongName(err, args)
	}
	only, err := namesOf(spec, state).all(args)
	if err != nil {
		return nil, err
	}
	if err := declared(spec, only...); err != nil {
		return nil, err
	}
	if len(only) > 0 {
		spec.Secrets = slices.DeleteFunc(slices.Clone(spec.Secrets),
			func(s secret.SpecSecret) bool { return !slices.Contains(only, s.Address) })
	}
	if len(spec.Secrets) == 0 {
		return nil, errors.New("no secret is declared: `layer secret spec` lists the declarations")
	}
	if err := l.compareNotes(c.Context(), opened, state, spec.Secrets...); err != nil {
		return nil, err
	}
	var list []exported
	var missing []string
	for _, s := range spec.Secrets {
		value, err := state.Value(s.Address)
		switch {
		case errors.Is(err, rotate.ErrNotFound):
			if !s.Optional || len(only) > 0 {
				missing = append(missing, s.Address.String())
			}
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", s.Address, err)
		}
		list = append(list, exported{s, value})
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the ledger has no value of %s: create the values that layer can make with `layer "+
			"secret apply`, set the others with `layer secret set`, or name the secrets to export",
			strings.Join(missing, ", "))
	}
	return list, nil
}

func valuesByBinding(list []exported) map[string]string {
	values := make(map[string]string, len(list))
	for _, e := range list {
		values[e.spec.Binding] = e.value.Reveal()
	}
	return values
}

func exportJSON(list []exported) (string, []string, error) {
	for _, e := range list {
		if !utf8.ValidString(e.value.Reveal()) { // JSON would hold another value
			return "", nil, fmt.Errorf("%s: the value is not UTF-8 text: leave it out", e.spec.Address)
		}
	}
	var b strings.Builder
	err := writeJSON(&b, valuesByBinding(list), "  ")
	return b.String(), nil, err
}

// exportDotenv returns a file of variables, and a note for each value that npm's
// dotenv reads differently.
func exportDotenv(list []exported) (text string, notes []string, err error) {
	var names, lines []string
	for _, e := range list {
		names = append(names, e.spec.Binding)
	}
	for _, e := range list {
		if err := checkIdentifier(e.spec); err != nil {
			return "", nil, err
		}
		line, err := dotenv.Quote(e.spec.Binding, e.value.Reveal(), names)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w: use --format json, or leave it out", e.spec.Address, err)
		}
		lines = append(lines, line+"\n")
	}
	text = strings.Join(lines, "")
	npm := dotenv.NPM(text)
	for _, e := range list {
		if npm[e.spec.Binding] != e.value.Reveal() {
			notes = append(notes, fmt.Sprintf("warning: npm's dotenv reads another value of %s, %s: give that program "+
				"--format json or shell", e.spec.Address, e.spec.Binding))
		}
	}
	return text, notes, nil
}

// exportShell returns lines for eval in a POSIX shell. Everything within single
// quotes is literal there, so only a single quote needs to be written outside.
func exportShell(list []exported) (string, []string, error) {
	var b strings.Builder
	for _, e := range list {
		if err := checkIdentifier(e.spec); err != nil {
			return "", nil, err
		}
		value := e.value.Reveal()
		if strings.ContainsRune(value, 0) {
			return "", nil, fmt.Errorf("%s: the value contains a zero byte, which a variable cannot: use --format json, or "+
				"leave it out", e.spec.Address)
		}
		fmt.Fprintf(&b, "export %s='%s'\n", e.spec.Binding, strings.ReplaceAll(value, "'", `'\''`))
	}
	return b.String(), nil, nil
}

// checkIdentifier returns an error if the binding name cannot be the name of a
// variable.
func checkIdentifier(spec secret.SpecSecret) error {
	if variableForm().MatchString(spec.Binding) {
		return nil
	}
	return fmt.Errorf("%s: the binding name %s is no name of a variable, which has A-Z, a-z, 0-9 and _ and begins with "+
		"no digit: use --format json, or leave it out", spec.Address, spec.Binding)
}
