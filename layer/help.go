package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The help of a command. All commands share the global flags, and each uses only
// some flags. The help lists the flags that a command uses first, and the
// other ones under "Global flags".

// Sets of global flags that commands use.
var (
	ledgerFlags  = []string{"identity", "json", "ledger", "ledger-id"}
	targetFlags  = append(slices.Clone(ledgerFlags), "spec", "store")
	publishFlags = append(slices.Clone(targetFlags), "limit", "margin", "window")
)

// usedFlags has the global flags that a command uses. A command without an entry
// changes the target and uses publishFlags.
var usedFlags = map[string][]string{
	"layer secret init":              {"identity", "json", "ledger", "margin", "to", "window"},
	"layer secret spec":              ledgerFlags,
	"layer secret log":               append(slices.Clone(ledgerFlags), "spec"),
	"layer secret ledger id":         ledgerFlags,
	"layer secret ledger recipients": ledgerFlags,
	"layer secret ledger copy":       ledgerFlags,
	"layer secret ledger":            {},
	"layer secret help":              {},
	"layer secret":                   {},
	"layer secret reveal":            targetFlags,
	"layer secret run":               targetFlags,
	"layer secret export":            targetFlags,
	"layer secret bindings":          targetFlags,
	"layer secret doctor":            targetFlags,
	"layer secret vet":               {"json"},
	"layer secret generator":         {},
	"layer secret generator test":    {"json", "ledger"},
	"layer secret timeline":          append(slices.Clone(targetFlags), "margin", "window"),
}

// usage prints the usage of a command: its form, examples, subcommands, the
// flags that it uses, and the other global flags.
func usage(w io.Writer, c *cobra.Command) {
	fmt.Fprint(w, "Usage:\n")
	if c.Runnable() && !c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s\n", c.UseLine())
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s COMMAND\n", c.CommandPath())
	}
	if c.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprint(w, "\nAvailable Commands:\n")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(w, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	used, rest := split(c)
	for _, part := range []struct {
		title string
		flags *pflag.FlagSet
	}{{"Flags", used}, {"Global flags", rest}} {
		if part.flags.HasAvailableFlags() {
			fmt.Fprintf(w, "\n%s:\n%s\n", part.title, strings.TrimRight(part.flags.FlagUsages(), "\n"))
		}
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n`%s COMMAND --help` shows the help of a command.\n", c.CommandPath())
	}
}

// split returns the flags that a command uses, and the other global flags.
func split(c *cobra.Command) (used, rest *pflag.FlagSet) {
	used = pflag.NewFlagSet("used", pflag.ContinueOnError)
	rest = pflag.NewFlagSet("rest", pflag.ContinueOnError)
	names, known := usedFlags[c.CommandPath()]
	if !known {
		names = publishFlags
	}
	inherited := c.InheritedFlags()
	c.Flags().VisitAll(func(f *pflag.Flag) {
		global := inherited.Lookup(f.Name) != nil || c.PersistentFlags().Lookup(f.Name) != nil
		if global && !slices.Contains(names, f.Name) {
			rest.AddFlag(f)
			return
		}
		used.AddFlag(f)
	})
	return used, rest
}
