package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// wrong returns the error of a command line that cannot be parsed.
func wrong(t *testing.T, args ...string) error {
	l := &layer{out: newScreen(io.Discard, noVariables), err: newScreen(io.Discard, noVariables)}
	l.process.lookup = noVariables
	root := l.command()
	root.SetArgs(args)
	err := root.Execute()
	require.Error(t, err, args)
	return err
}

func noVariables(string) (string, bool) { return "", false }

func TestAWrongCommandGetsOneOfTheSameMeaning(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"secret get billing.stripe-secret", `there is no command "get" in ` +
			"`layer secret`: did you mean `layer secret reveal`?"},
		{"secret show", "`layer secret reveal`?"},
		{"secret cat", "`layer secret reveal`?"},
		{"secret read", "`layer secret reveal`?"},
		{"secret rm auth.key --yes", "`layer secret remove`?"}, // not: there is no flag --yes
		{"secret --json delete auth.key -f", "`layer secret remove`?"},
		{"secret destroy", "`layer secret remove`?"},
		{"secret ls", "`layer secret status`?"},
		{"secret list", "`layer secret status`?"},
		{"secret LIST", "`layer secret status`?"},
		{"secret edit", "`layer secret set`?"},
		{"secret put", "`layer secret set`?"},
		{"secret write", "`layer secret set`?"},
		{"secret add", "`layer secret set` or `layer secret apply`?"},
		{"secret create", "`layer secret set` or `layer secret apply`?"},
		{"secret history", "`layer secret log`?"},
		{"secret versions", "`layer secret timeline`?"},
		{"secret undo", "`layer secret rollback`?"},
		{"secret mv a.b a.c", "`layer secret rename`?"},
		{"secret renew", "`layer secret rotate`?"},
		{"secret expire", "`layer secret revoke`?"},
		{"secret exec -- true", "`layer secret run`?"},
		{"secret diff", "`layer secret plan`?"},
		{"secret updatekeys", "`layer secret ledger recipients`?"},
		{"secret help get", "`layer secret reveal`?"},
		// A command of another group.
		{"secret recipients", "`layer secret ledger recipients`?"},
		{"secret ledger rotate", "`layer secret rotate`?"},
		{"secret ledger add age1x", "`layer secret ledger recipients`?"},
		{"secret ledger move", "`layer secret ledger copy`?"},
		{"rotate", "`layer secret rotate`?"},
		{"get auth.key", "`layer secret reveal`?"},
		{"secrets", "did you mean `layer secret`?"},
		{"version", "did you mean `layer --version`?"},
		{"secret version", "did you mean `layer --version`?"},
		{"secret completion", "did you mean `layer completion`?"},
		{"secret encrypt", "`layer secret set`?"},
		{"secret search", "`layer secret status`?"},
		{"secret notify", "`layer secret rotate`?"},
		{"secret restart", "`layer secret run`?"},
		// Typing errors.
		{"secret aply", `there is no command "aply" in ` + "`layer secret`: did you mean `layer secret apply`?"},
		{"secret stauts", "`layer secret status`?"},
		{"secret roll-back", "`layer secret rollback`?"},
		{"secret rotat", "`layer secret rotate`?"},
		{"secret ledger recipient", "`layer secret ledger recipients`?"},
		// A text that is like no command may be a value.
		{"secret madeup_Qv71xKz8Rt", "there is no such command in `layer secret`"},
		{"secret madeup_Qv71xKz8Rt --now", "there is no such command in `layer secret`"},
		{"madeup_Qv71xKz8Rt", "there is no such command in `layer`"},
	} {
		t.Run(test.line, func(t *testing.T) {
			err := wrong(t, strings.Fields(test.line)...)
			require.ErrorAs(t, err, new(usageError))
			require.True(t, strings.HasSuffix(err.Error(), test.want), "%s", err)
			require.NotContains(t, err.Error(), "madeup")
		})
	}
}

// A pasted text of any length is no command, and is compared with none.
func TestOddCommandsGetNoSuggestion(t *testing.T) {
	for _, arg := range []string{"", " ", "\n", "rotate madeup_Qv71xKz8Rt", strings.Repeat("madeup_Qv71xKz8Rt", 1<<16)} {
		require.EqualError(t, wrong(t, "secret", arg), "there is no such command in `layer secret`")
	}
}

func TestAWrongFlagGetsOneOfTheSameMeaning(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"secret rotate --imediate", "there is no flag --imediate: did you mean `--immediate`?"},
		{"secret rotate -immediate", "there is no flag -i: did you mean `--immediate`?"},
		{"secret rotate --dryrun", "there is no flag --dryrun: did you mean `--dry-run`?"},
		{"secret rotate --dry_run", "there is no such flag: did you mean `--dry-run`?"},
		{"secret rotate --dryRun", "there is no such flag: did you mean `--dry-run`?"},
		{"secret rotate --dry", "there is no flag --dry: did you mean `--dry-run`?"},
		{"secret rotate -n", "there is no flag -n: did you mean `--dry-run`?"},
		{"secret rotate --force", "there is no flag --force: did you mean `--yes`, `--adopt-ledger` or `--immediate`?"},
		{"secret remove a.b --force", "there is no flag --force: did you mean `--yes`?"},
		{"secret remove a.b -f", "there is no flag -f: did you mean `--yes`?"},
		{"secret set a.b -f", "there is no flag -f: did you mean `--from-file`?"},
		{"secret set a.b --file=x", "there is no flag --file: did you mean `--from-file`?"},
		{"secret set a.b --value madeup_Qv71xKz8Rt",
			"there is no flag --value: did you mean `--from-stdin`, `--from-file` or " +
				"`--value-env`?"},
		{"secret set a.b --stdin", "there is no flag --stdin: did you mean `--from-stdin`?"},
		{"secret status --output json", "there is no flag --output: did you mean `--json`?"},
		{"secret status -o json", "there is no flag -o: did you mean `--json`?"},
		{"secret export --output x", "there is no flag --output: did you mean `--format`?"},
		{"secret bindings --toml", "there is no flag --toml: did you mean `--format`?"},
		{"secret status --type random", "there is no flag --type: did you mean `--kind`?"},
		{"secret status --filter x", "there is no flag --filter: did you mean `--state` or `--kind`?"},
		{"secret log --tail 5", "there is no flag --tail: did you mean `--since`?"},
		{"secret import x --overwrite", "there is no flag --overwrite: did you mean `--yes`?"},
		{"secret rotate --hook x", "there is no flag --hook: did you mean `--then`?"},
		{"secret run -e A=b.c -- x", "there is no flag -e: did you mean `--env`?"},
		{"secret run --reload -- x", "there is no flag --reload: did you mean `--watch`?"},
		{"secret run --raw -- x", "there is no flag --raw: did you mean `--plain`?"},
		{"secret init --dir x", "there is no flag --dir: did you mean `--to`?"},
		{"secret status --file x", "there is no flag --file: did you mean `--spec` or `--ledger`?"},
		{"secret status --indentity x", "there is no flag --indentity: did you mean `--identity`?"},
		{"secret status --key x", "there is no flag --key: did you mean `--identity`?"},
		{"secret apply --now", "there is no flag --now: `layer secret rotate` has it"},
		{"secret status --nonsense", "there is no flag --nonsense"},
		{"secret status -x", "there is no flag -x"},
		{"secret status --madeup_Qv71xKz8Rt", "there is no such flag"},
		{"--versio", "there is no flag --versio: did you mean `--version`?"},
		{"-v", "there is no flag -v"},
	} {
		t.Run(test.line, func(t *testing.T) {
			err := wrong(t, strings.Fields(test.line)...)
			require.ErrorAs(t, err, new(usageError))
			require.EqualError(t, err, test.want)
		})
	}
}

// Each word has a meaning that this version of layer supports, and is no name
// itself.
func TestMeaningsNameCommandsAndFlags(t *testing.T) {
	l := &layer{out: newScreen(io.Discard, noVariables), err: newScreen(io.Discard, noVariables)}
	l.process.lookup = noVariables
	root := l.command()
	flags := map[string]bool{}
	group, _, err := root.Find([]string{"secret"})
	require.NoError(t, err)
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, one := range c.Commands() {
			visit(one)
		}
		for _, list := range flagMeanings {
			for _, choice := range list.names {
				for name := range strings.SplitSeq(choice, ", ") {
					flags[name] = flags[name] || c.Flag(name) != nil
				}
			}
		}
	}
	visit(group)
	for name, exists := range flags {
		require.True(t, exists, "--%s", name)
	}
	coming := []string{"export", "import", "doctor"}
	for at, table := range map[string][]meaning{"": commandMeanings, "ledger ": ledgerMeanings} {
		seen := map[string]bool{}
		for _, m := range table {
			for word := range strings.FieldsSeq(m.words) {
				require.False(t, seen[word], "%s is there twice", word)
				seen[word] = true
				_, rest, err := group.Find(strings.Fields(at + word))
				require.True(t, err != nil || len(rest) > 0, "%s is a command", word)
				require.NotEmpty(t, meaningOf(table, word, func(name string) bool {
					_, rest, err := group.Find(strings.Fields(name))
					return err == nil && len(rest) == 0
				}), word)
			}
			for _, choice := range m.names {
				for name := range strings.SplitSeq(choice, ", ") {
					_, rest, err := group.Find(strings.Fields(name))
					require.True(t, err == nil && len(rest) == 0 || contains(strings.Join(coming, " "), name), name)
				}
			}
		}
	}
}
