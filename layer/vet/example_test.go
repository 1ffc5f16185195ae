package vet_test

import (
	"fmt"
	"path/filepath"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"

	"github.com/layeron-hq/secret/layer/vet"
)

// A driver that runs the analyzer beside its own ones.
func ExampleAnalyzer() {
	loaded, err := packages.Load(&packages.Config{Mode: packages.LoadAllSyntax}, "./testdata/example")
	if err != nil {
		fmt.Println(err)
		return
	}
	graph, err := checker.Analyze([]*analysis.Analyzer{vet.Analyzer}, loaded, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, action := range graph.Roots {
		for _, d := range action.Diagnostics {
			p := action.Package.Fset.Position(d.Pos)
			fmt.Printf("%s:%d: %s: %s\n", filepath.Base(p.Filename), p.Line, d.Category, d.Message)
		}
	}
	// Output:
	// main.go:16: shown: a value of a secret is passed to log.Println, which shows it; show the secret's address or the version's ID
}
