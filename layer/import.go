package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/rotate"
)

// `layer secret import` sets the secrets whose values a file has, as one change
// of the ledger. It shows its changes first, and no value. A file that is
// read wrongly changes secrets silently, so a value that programs read
// differently fails the whole import.

// importJSON is one value of the file in the JSON of import.
type importJSON struct {
	Address string       `json:"address"`
	Name    string       `json:"name"`
	Line    int          `json:"line"`
	Change  importChange `json:"change"`
}

func (l *layer) importCommand() *cobra.Command {
	var format string
	var maps []string
	dry, yes := false, false
	c := &cobra.Command{Use: "import FILE", Short: "Set the secrets whose values a file has", Args: count(1, 1),
		Long: `Set the secrets whose values a dotenv or JSON file has. - is stdin. A name in the file means a declared
secret by its binding name or its address, with or without $SECRET, or by --map. import first shows
which secrets it would set, which have the value already and which names it does not know, and no
value. Then it asks. It sets all values in one change of the ledger, or none: one value that
layer secret set would refuse, or that dotenv programs read differently, is an error with its line.

The value of a static secret becomes current at once. A value of a random or generated secret is
announced first. JSON is one object of strings. layer expands no variables: a $NAME outside single
quotes is an error. Unknown names are listed and left out.`,
		Example: `  layer secret import .dev.vars --dry-run
  layer secret import .env --map STRIPE_KEY=billing.stripe-secret
  sops decrypt --output-type json secrets.yaml | layer secret import - --yes
  doppler secrets download --no-file --format json | layer secret import - --yes`,
		RunE: func(c *cobra.Command, args []string) error {
			if format != "" && format != "dotenv" && format != "json" { // not repeated: it may be a value
				return usagef("--format is dotenv or json")
			}
			if args[0] == "-" && l.spec == "-" {
				return usagef("--spec - and import - cannot both read stdin")
			}
			mapped, err := parseMappings(maps)
			if err != nil {
				return err
			}
			l.dry = dry
			o, state, err := l.operator(c.Context(), false)
			if err != nil {
				return err
			}
			if err := resolveMappings(mapped, o.Spec, state); err != nil {
				return err
			}
			l.err.clear()
			plan, err := l.readImport(c.Context(), args[0], format, o.Spec, state, mapped)
			if err != nil {
				return err
			}
			o.DryRun = dry
			return l.carryOut(c.Context(), o, plan, yes)
		}}
	c.Flags().StringVar(&format, "format", "", "the `FORMAT` of the file: dotenv or json (default by its content)")
	c.Flags().StringArrayVar(&maps, "map", nil, "a name in the file and its secret, `NAME=ADDRESS`; repeat for more")
	c.Flags().BoolVar(&dry, "dry-run", false, "change nothing, print the changes that import would make")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"dotenv", "json"},
		cobra.ShellCompDirectiveNoFileComp))
	return c
}

// readImport reads the file and plans its changes.
func (l *layer) readImport(ctx context.Context, name, format string, spec secret.Spec, state rotate.State,
	mapped []importMapping) (importPlan, error) {
	text, shown, err := l.readFile(ctx, name)
	if err != nil {
		return importPlan{}, err
	}
	entries, err := parseFile(text, format)
	if err != nil {
		return importPlan{}, fmt.Errorf("%s cannot be imported: %w. Nothing was changed", shown, err)
	}
	plan, err := planImport(spec, state, entries, mapped)
	if err != nil {
		if strings.Contains(err.Error(), "\n") {
			return plan, severalLines{fmt.Errorf("%s cannot be imported. Nothing was changed:\n%w", shown, err)}
		}
		return plan, fmt.Errorf("%s cannot be imported: %w. Nothing was changed", shown, err)
	}
	if len(plan.items) == 0 {
		return plan, fmt.Errorf("%s has no name of a declared secret: %sgive a name and its secret with --map NAME=ADDRESS. "+
			"Nothing was changed", shown, unknownNames(plan))
	}
	return plan, nil
}

// readFile returns the content of a file or of stdin, and the words for it in a
// message.
func (l *layer) readFile(ctx context.Context, name string) (text, shown string, err error) {
	if name == "-" {
		if f, ok := l.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return "", "", usagef("stdin is a terminal, which would show the values: pipe a file into import -")
		}
		text, err = readUpTo(ctx, l.in, maxInput+1)
		shown = "the input"
	} else {
		shown = l.fileName(name, "the file")
		var f *os.File
		if f, err = os.Open(l.path(name)); err == nil {
			text, err = readUpTo(ctx, f, maxInput+1)
			_ = f.Close()
		}
	}
	switch {
	case errors.Is(err, rotate.ErrInterrupted):
		return "", "", err
	case err != nil:
		return "", "", fmt.Errorf("%s cannot be read: %w. Nothing was changed", shown, cause(err))
	case len(text) > maxInput:
		return "", "", fmt.Errorf("%s has over %d bytes. Nothing was changed", shown, maxInput)
	}
	return text, shown, nil
}

// carryOut shows the plan, asks, and sets the values. In a dry run it only
// checks that they can be set.
func (l *layer) carryOut(ctx context.Context, o *rotate.Operator, plan importPlan, yes bool) error {
	sets, replaces := 0, 0
	values := map[secret.Address]driver.Value{}
	for _, item := range plan.items {
		values[item.spec.Address] = item.entry.Value
		if item.sets() {
			sets++
		}
		if item.change == changeReplace {
			replaces++
		}
	}
	l.showPlan(plan, o.DryRun && !l.json)
	if sets > 0 && !yes && !o.DryRun {
		question := "Set this value?"
		if sets > 1 {
			question = fmt.Sprintf("Set these %d values, of which %d replace a current one?", sets, replaces)
		}
		switch ok, err := l.ask(ctx, question); {
		case err != nil:
			return err
		case !ok:
			return errors.New("nothing was changed")
		}
	}
	r, err := o.SetAll(ctx, values)
	if err != nil {
		return l.failed(o, r, err)
	}
	if !l.json && !o.DryRun {
		return l.report(o, r, true)
	}
	ok := r.OK() && r.Settled()
	if o.DryRun {
		// A secret that still needs its first value is no problem here.
		r.Secrets = slices.DeleteFunc(r.Secrets, func(s rotate.SecretStatus) bool { return s.Problem == nil })
		ok = len(r.Secrets)+len(r.Failed) == 0
	}
	if l.json {
		l.printJSON(plan.json(l.reportJSON(o, r, ok, true)))
	} else {
		l.printProblems(r)
	}
	if !ok {
		return errSilent
	}
	return nil
}

// json returns the JSON of import: the report of the command, with the values
// and the unknown names of the file.
func (p importPlan) json(report reportJSON) any {
	out := struct {
		reportJSON
		Values  []importJSON `json:"values"`
		Unknown []string     `json:"unknown"`
	}{report, []importJSON{}, []string{}}
	for _, item := range p.items {
		out.Values = append(out.Values, importJSON{item.spec.Address.String(), claimedName(item.spec, item.entry),
			item.entry.Line, item.change})
	}
	for _, e := range p.unknown {
		out.Unknown = append(out.Unknown, shownName(e))
	}
	return out
}

// showPlan prints the change of each secret and the unknown names: to stdout if
// they are the output of the command, else to stderr, before the question.
func (l *layer) showPlan(plan importPlan, isOutput bool) {
	show := l.say
	if isOutput {
		show = l.out.line
	}
	for _, item := range plan.items {
		show("%s: %s: %s in line %d", item.spec.Address, importWords[item.change],
			claimedName(item.spec, item.entry), item.entry.Line)
		if item.entry.Comment {
			l.say("%s: the text behind # in line %d is not part of the value", item.spec.Address, item.entry.Line)
		}
		text := item.entry.Value.Reveal()
		if strings.HasPrefix(text, "-----BEGIN ") && strings.Contains(text, `\n`) {
			l.say("%s: the value has \\n where a key has a newline: sops writes dotenv so: use its JSON", item.spec.Address)
		}
		for _, warning := range warnings(text) {
			l.say("%s: %s", item.spec.Address, warning)
		}
	}
	if names := unknownNames(plan); names != "" {
		show("unknown, left out: %sgive a name and its secret with --map NAME=ADDRESS", names)
	}
}

// unknownNames lists the unknown names of a file.
func unknownNames(plan importPlan) string {
	var names []string
	for _, e := range plan.unknown {
		names = append(names, fmt.Sprintf("%s in line %d", shownName(e), e.Line))
	}
	if len(names) == 0 {
		return ""
	}
	return strings.Join(names, ", ") + ": "
}
