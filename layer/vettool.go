package main

import (
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/layeron-hq/secret/layer/vet"
)

// go vet -vettool=layer runs layer as a tool: with -V=full for its version, with
// -flags for its flags, and with a file NAME.cfg for each package.

// runAsVetTool handles a command line of go vet, and then ends the process. It
// returns for every other command line.
func runAsVetTool(args []string) {
	if isVetTool(args) {
		unitchecker.Main(vet.Analyzer)
	}
}

// isVetTool reports whether go vet has started this process. layer's own
// commands begin with a word, and none of its flags has these forms.
func isVetTool(args []string) bool {
	if len(args) == 0 {
		return false
	}
	last := args[len(args)-1]
	flags := !slices.ContainsFunc(args[:len(args)-1], func(a string) bool { return !strings.HasPrefix(a, "-") })
	return len(args) == 1 && (last == "-V=full" || last == "-flags") ||
		flags && strings.HasSuffix(last, ".cfg") && !strings.HasPrefix(last, "-")
}
