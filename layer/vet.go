package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/checker"

	"github.com/layeron-hq/secret/layer/internal/source"
	"github.com/layeron-hq/secret/layer/vet"
)

// vetFinding is one finding in the source.
type vetFinding struct {
	File   string `json:"file"` // relative to the working directory, if it is inside
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Check  string `json:"check"`
	Text   string `json:"text"`
}

func (l *layer) vetCommand() *cobra.Command {
	return &cobra.Command{Use: "vet [packages]", Short: "Find wrong uses of package secret in the source",
		Args: count(0, -1),
		Long: `Find wrong uses of package secret in the source of the packages (./... if none is named), without
tests:
  declaration  breaks a rule, or conflicts with another declaration of the program
  readonce     a value is read once into a package variable, which keeps it after a rotation
  dropped      a lazy read such as Current() is never finished
  equal        a value is compared with ==, not with Version.Equal
  shown        a value is passed to fmt, log, log/slog, errors or panic
  current      a signature or token is verified against the current version alone

A comment //layer:ignore REASON on the line, or on the line above, suppresses a finding. layer also is
a tool for go vet: go vet -vettool=$(which layer) ./...

vet exits with 1 if it has findings. It reads no value, and needs no ledger.`,
		Example: `  layer secret vet
  layer secret vet ./cmd/server --json`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"./..."}
			}
			list, err := l.vet(c.Context(), args)
			if err != nil {
				return err
			}
			return l.printFindings(list)
		}}
}

// printFindings prints the findings. It returns an error if there is one.
func (l *layer) printFindings(list []vetFinding) error {
	summary := ""
	switch len(list) {
	case 0:
	case 1:
		summary = "1 finding"
	default:
		summary = fmt.Sprintf("%d findings", len(list))
	}
	if l.json {
		l.printJSON(struct {
			OK       bool         `json:"ok"`
			Findings []vetFinding `json:"findings"`
			Error    string       `json:"error,omitempty"`
		}{summary == "", append([]vetFinding{}, list...), summary})
	} else {
		l.err.clear()
		for _, f := range list {
			l.out.line("%s:%d:%d: %s: %s", f.File, f.Line, f.Column, f.Check, f.Text)
		}
		if summary != "" {
			l.say("%s", summary)
		}
	}
	if summary != "" {
		return errSilent
	}
	return nil
}

// vet runs the analyzer on packages and returns its findings in the order of
// the files.
func (l *layer) vet(ctx context.Context, patterns []string) ([]vetFinding, error) {
	o, err := l.sourceOptions(patterns)
	if err != nil {
		return nil, err
	}
	l.progressText("reading the packages")
	loaded, named, err := source.Load(ctx, o)
	if err != nil {
		return nil, severalLines{withoutPatterns(err, patterns)}
	}
	graph, err := checker.Analyze([]*analysis.Analyzer{vet.Analyzer}, loaded, nil)
	if err != nil {
		return nil, err
	}
	dir, _ := filepath.Abs(l.path("."))
	var list []vetFinding
	for _, action := range graph.Roots {
		if action.Err != nil {
			return nil, fmt.Errorf("check %s: %w", action.Package.PkgPath, action.Err)
		}
		if !named(action.Package) {
			continue
		}
		for _, d := range action.Diagnostics {
			p := action.Package.Fset.Position(d.Pos)
			if rel, err := filepath.Rel(dir, p.Filename); err == nil && filepath.IsLocal(rel) {
				p.Filename = rel
			}
			list = append(list, vetFinding{p.Filename, p.Line, p.Column, d.Category, d.Message})
		}
	}
	slices.SortFunc(list, func(a, b vetFinding) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column, strings.Compare(a.Text, b.Text))
	})
	return slices.Compact(list), nil
}
