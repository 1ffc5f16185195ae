package main

import (
	"bytes"
	_ "embed"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// The scripts of `layer completion bash` and `layer completion zsh`. They are
// cobra's, except for the word at the cursor: cobra evaluates it, so it fails
// after a quote and completes no $SECRET.

//go:embed completion.bash
var bashWord string

//go:embed completion.zsh
var zshWord string

// evaluated is the line of cobra's script for zsh that the file completion.zsh
// replaces.
const evaluated = "    out=$(eval ${requestComp} 2>/dev/null)\n"

// Cobra's help for bash, and what replaces it.
const (
	needsPackage = "This script depends on the 'bash-completion' package.\n" +
		"If it is not installed already, you can install it via your OS's package manager.\n"
	needsNone = "Without the package bash-completion, which reads /etc/bash_completion.d, load the\n" +
		"script in ~/.bashrc, with the line below.\n"
)

// completions replaces the scripts of cobra's completion command.
func (l *layer) completions(c *cobra.Command) {
	c.Args, c.RunE = noArgs, needsCommand // cobra accepts an unknown shell
	for _, shell := range c.Commands() {
		switch shell.Name() {
		case "bash":
			shell.Long = strings.Replace(shell.Long, needsPackage, needsNone, 1)
			shell.RunE = l.script(shell, c.Root().GenBashCompletionV2, func(text string) string { return text + bashWord })
		case "zsh":
			generate := func(w io.Writer, descriptions bool) error {
				if descriptions {
					return c.Root().GenZshCompletion(w)
				}
				return c.Root().GenZshCompletionNoDesc(w)
			}
			shell.RunE = l.script(shell, generate, func(text string) string {
				return strings.Replace(text, evaluated, zshWord, 1)
			})
		}
	}
}

// script prints a changed script of cobra.
func (l *layer) script(c *cobra.Command, generate func(io.Writer, bool) error,
	change func(string) string) func(*cobra.Command, []string) error {
	return func(*cobra.Command, []string) error {
		plain, err := c.Flags().GetBool("no-descriptions")
		if err != nil {
			return err
		}
		var text bytes.Buffer
		if err := generate(&text, !plain); err != nil {
			return err
		}
		changed := change(text.String())
		if plain {
			changed = strings.ReplaceAll(changed, cobra.ShellCompRequestCmd+" ", cobra.ShellCompNoDescRequestCmd+" ")
		}
		_, err = io.WriteString(l.stdout, changed)
		return err
	}
}
