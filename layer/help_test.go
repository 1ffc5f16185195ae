package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func allCommands(c *cobra.Command) (list []*cobra.Command) {
	if c.Name() == "completion" { // cobra's own
		return nil
	}
	list = append(list, c)
	for _, sub := range c.Commands() {
		list = append(list, allCommands(sub)...)
	}
	return list
}

// helpOf returns the help of a command, and the parts under "Flags" and "Global
// flags".
func helpOf(t *testing.T, c *cobra.Command) (text, used, rest string) {
	t.Helper()
	var out bytes.Buffer
	c.SetOut(&out)
	c.InitDefaultHelpFlag()
	require.NoError(t, c.Help())
	text = out.String()
	_, used, _ = strings.Cut(text, "\nFlags:\n")
	used, rest, _ = strings.Cut(used, "\nGlobal flags:\n")
	return text, used, rest
}

func TestHelpShowsTheFlagsOfACommandFirst(t *testing.T) {
	l := &layer{}
	l.process.lookup = func(string) (string, bool) { return "", false }
	for _, c := range allCommands(l.command()) {
		text, used, rest := helpOf(t, c)
		require.Contains(t, used, "--help", c.CommandPath())
		if strings.HasPrefix(c.CommandPath(), "layer secret") {
			require.NotEmpty(t, rest, "%s uses every global flag", c.CommandPath())
			require.True(t, c.HasExample() || c.Hidden, "%s has no example", c.CommandPath())
		}
		for _, name := range []string{"--ledger ", "--spec ", "--json "} {
			require.LessOrEqual(t, strings.Count(used+rest, "      "+name), 1, c.CommandPath())
		}
		require.Contains(t, text, "Usage:\n  layer", c.CommandPath())
	}
	for command, want := range map[string]struct{ used, rest []string }{
		"log":       {[]string{"--ledger", "--identity", "--json", "--spec"}, []string{"--window", "--to", "--limit"}},
		"rotate":    {[]string{"--now", "--spec", "--window", "--json", "--store"}, []string{"--to"}},
		"reveal":    {[]string{"--yes", "--offline", "--spec"}, []string{"--margin", "--limit"}},
		"init":      {[]string{"--to", "--window", "--recipient"}, []string{"--spec", "--limit"}},
		"ledger id": {[]string{"--ledger"}, []string{"--spec"}},
	} {
		c, _, err := l.command().Find(append([]string{"secret"}, strings.Fields(command)...))
		require.NoError(t, err)
		_, used, rest := helpOf(t, c)
		for _, name := range want.used {
			require.Contains(t, used, " "+name+" ", command)
		}
		for _, name := range want.rest {
			require.Contains(t, rest, " "+name+" ", command)
		}
	}
}

// Every example is a command line that the command accepts.
func TestExamplesOfTheHelpAreAccepted(t *testing.T) {
	l := &layer{}
	l.process.lookup = func(string) (string, bool) { return "", false }
	for _, c := range allCommands(l.command()) {
		for line := range strings.Lines(c.Example) {
			line = strings.TrimSpace(line)
			_, line, _ = strings.Cut(line, "layer ")
			if strings.Contains(c.Example, `eval "$(layer `+line) {
				line = strings.TrimSuffix(line, `)"`)
			}
			line, _, _ = strings.Cut(strings.ReplaceAll(line, ">>", ">"), " > ")
			words, err := exec.Command("sh", "-c", "printf '%s\\0' "+line).Output()
			require.NoError(t, err, line)
			args := strings.Split(strings.TrimSuffix(string(words), "\x00"), "\x00")
			root := l.command()
			found, rest, err := root.Find(args)
			require.NoError(t, err, line)
			require.NoError(t, found.ParseFlags(rest), line)
			require.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
		}
	}
}
