package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"strconv"

	"golang.org/x/tools/go/analysis"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/internal/source"
)

// declared is the fact of a package: its declarations and those of all packages
// that it imports.
type declared struct{ List []source.Declaration }

// AFact marks declared as a fact.
func (*declared) AFact() {}

// found is the result of the analyzer declarations.
type found struct {
	own    []source.Declaration
	faults []source.Fault
}

// declarations collects declarations across packages. It is an analyzer of its
// own, so that Analyzer exports no facts.
var declarations = &analysis.Analyzer{
	Name: "secretdeclarations",
	Doc:  "collect the declarations of package secret for the analyzer secret",
	Run: func(pass *analysis.Pass) (any, error) {
		if pass.Pkg.Path() == libraryPath || !imports(pass.Pkg, map[*types.Package]bool{}) {
			return found{}, nil
		}
		return collect(pass), nil
	},
	ResultType: reflect.TypeFor[found](),
	FactTypes:  []analysis.Fact{new(declared)},
}

func collect(pass *analysis.Pass) (got found) {
	unit := source.Unit{Fset: pass.Fset, Files: withoutTests(pass), Types: pass.Pkg, Info: pass.TypesInfo}
	seen := map[string]bool{}
	var all declared
	for _, imported := range pass.Pkg.Imports() {
		var fact declared
		spec := importOf(unit.Files, imported.Path())
		if spec == nil || !pass.ImportPackageFact(imported, &fact) {
			continue
		}
		unit.Imports = append(unit.Imports, source.Import{Pos: spec.Pos(), Declarations: fact.List})
		for _, d := range fact.List {
			if !seen[d.At] {
				seen[d.At] = true
				all.List = append(all.List, d)
			}
		}
	}
	got.own, got.faults = source.Check(unit)
	for _, d := range got.own {
		d.Pos, d.Options.Store = token.NoPos, nil
		all.List = append(all.List, d)
	}
	if len(all.List) > 0 {
		pass.ExportPackageFact(&all)
	}
	return got
}

// importOf returns the import declaration of a package, or nil.
func importOf(files []*ast.File, path string) *ast.ImportSpec {
	for _, file := range files {
		for _, spec := range file.Imports {
			if text, err := strconv.Unquote(spec.Path.Value); err == nil && text == path {
				return spec
			}
		}
	}
	return nil
}

// checkDeclarations reports declarations that break a rule, and those that
// conflict with another one of the package or of an import.
func (c *checker) checkDeclarations() {
	got := c.ResultOf[declarations].(found)
	for _, f := range got.faults {
		c.report(f.Pos, "declaration", "%s", f.Text)
	}
	c.findPlain(got.own)
}

// findPlain collects the variables of secrets with FormatPlain, which never
// have a second version.
func (c *checker) findPlain(own []source.Declaration) {
	plain := map[token.Pos]bool{}
	for _, d := range own {
		plain[d.Pos] = d.Options.Format == secret.FormatPlain
	}
	c.plain = map[types.Object]bool{}
	for _, file := range c.files {
		ast.Inspect(file, func(n ast.Node) bool {
			var names, values []ast.Expr
			switch n := n.(type) {
			case *ast.ValueSpec:
				for _, name := range n.Names {
					names = append(names, name)
				}
				values = n.Values
			case *ast.AssignStmt:
				names, values = n.Lhs, n.Rhs
			}
			for i, v := range values {
				if plain[v.Pos()] && len(names) == len(values) {
					c.plain[c.rootOf(names[i])] = true
				}
			}
			return true
		})
	}
}
