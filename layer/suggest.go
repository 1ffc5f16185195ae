package main

import (
	"cmp"
	"errors"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// Suggestions for wrong commands, flags and names of secrets: first by meaning,
// then by letters. A wrong word is repeated only beside a suggestion, or if it
// has the form of a flag's name: any other text may be a value in the wrong
// place.

// unknownCommand returns the error for an argument in the place of a command.
func unknownCommand(c *cobra.Command, arg string) error {
	if near := commandsLike(c, arg); near != "" {
		return usagef("there is no command %q in `%s`%s", arg, c.CommandPath(), near)
	}
	return usagef("there is no such command in `%s`", c.CommandPath())
}

// commandsLike returns the end of a message about a wrong command.
func commandsLike(c *cobra.Command, arg string) string {
	word := strings.ToLower(strings.TrimSpace(arg))
	group, _, _ := c.Root().Find([]string{"secret"})
	path := func(names string) string {
		found, rest, err := group.Find(strings.Fields(names))
		if err != nil || len(rest) > 0 {
			return ""
		}
		return found.CommandPath()
	}
	table := commandMeanings
	if c.Name() == "ledger" {
		table = ledgerMeanings
	}
	var meant, moved, similar []string
	if (c.Root() == c || c == group) && word == "version" {
		return didYouMean([]string{"layer --version"})
	}
	for _, names := range meaningOf(table, word, func(names string) bool { return path(names) != "" }) {
		meant = append(meant, path(names))
	}
	for _, names := range []string{word, "ledger " + word} {
		if elsewhere := path(names); elsewhere != "" && word != "" && word != "ledger" {
			moved = append(moved, elsewhere)
		}
	}
	if other, rest, err := c.Root().Find([]string{word}); err == nil && len(rest) == 0 && other.HasParent() {
		moved = append(moved, other.CommandPath())
	}
	for _, one := range c.Commands() {
		if one.IsAvailableCommand() && resembles(word, one.Name(), 2) {
			similar = append(similar, one.CommandPath())
		}
	}
	if c == c.Root() {
		return didYouMean(similar, meant, moved)
	}
	return didYouMean(meant, moved, similar)
}

// flagName matches the form of a flag's name. Any other text may be a value in
// the wrong place, and is not repeated.
var flagName = lazyregexp.New(`^[a-z][a-z-]{0,20}$`)

// flagError replaces the errors of pflag, which repeat the argument.
func flagError(c *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown) && c.HasSubCommands() && c.Flags().NArg() > 0:
		// The flag is one of a command that does not exist.
		return unknownCommand(c, c.Flags().Arg(0))
	case errors.As(err, &unknown):
		name, letters := unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames()
		near := flagsLike(c, cmp.Or(letters, name))
		switch {
		case letters != "":
			return usagef("there is no flag -%.1s%s", letters, near)
		case flagName().MatchString(name):
			return usagef("there is no flag --%s%s", name, near)
		}
		return usagef("there is no such flag%s", near)
	case errors.As(err, &missing):
		return usagef("--%s needs a value", missing.GetFlag().Name)
	case errors.As(err, &invalid):
		return usagef("--%s takes %s", invalid.GetFlag().Name, takes[invalid.GetFlag().Value.Type()])
	}
	return usagef("a flag is written --name or --name=value")
}

// flagsLike returns the end of a message about a wrong flag.
func flagsLike(c *cobra.Command, arg string) string {
	word := kebab(arg)
	exists := func(name string) bool { return c.Flag(name) != nil }
	own := func(name string) bool { return c.LocalNonPersistentFlags().Lookup(name) != nil }
	var exact, similar []string
	if exists(word) { // in other letters, or with one dash
		exact = []string{"--" + word}
	}
	meant := meaningOf(flagMeanings, word, own)
	if len(meant) == 0 {
		meant = meaningOf(flagMeanings, word, exists)
	}
	for i, name := range meant {
		meant[i] = "--" + name
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if resembles(word, f.Name, 3) && !f.Hidden {
			similar = append(similar, "--"+f.Name)
		}
	})
	if near := didYouMean(exact, meant, similar); near != "" || len(word) < 2 || !c.HasParent() {
		return near
	}
	for _, other := range c.Parent().Commands() {
		if other.LocalNonPersistentFlags().Lookup(word) != nil {
			return ": `" + other.CommandPath() + "` has it"
		}
	}
	return ""
}

// kebab returns a flag's name in the form in which layer writes names: dryRun
// and dry_run are dry-run.
func kebab(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 && !unicode.IsUpper(rune(name[i-1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), "_", "-"), "--", "-")
}

// resembles reports whether a word is a name with a typing error, or at least
// the first letters of one.
func resembles(word, name string, letters int) bool {
	switch {
	case len(word) > len(name)+2: // perhaps a pasted file
		return false
	case len(word) >= letters && strings.HasPrefix(name, word):
		return true
	}
	return distance(word, name) <= min(2, len(word)/3)
}

// didYouMean returns the end of a message about a wrong word: the first list
// that is not empty, or nothing if all are empty.
func didYouMean(lists ...[]string) string {
	for _, list := range lists {
		if len(list) > 0 && len(list) <= 3 {
			quoted := make([]string, len(list))
			for i, word := range list {
				quoted[i] = "`" + word + "`"
			}
			return ": did you mean " + alternatives(quoted) + "?"
		}
	}
	return ""
}

// alternatives joins words as in "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// distance returns the number of letters that must be inserted, deleted,
// replaced or swapped with their neighbour to make b of a.
func distance(a, b string) int {
	var before []int // the row before last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			other := 1
			if a[i] == b[j] {
				other = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+other)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
