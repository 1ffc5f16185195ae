package source

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// Load returns the packages for an analysis of the patterns, type-checked and
// with comments: those that the patterns name, which named reports, and those
// of other modules that they import and that depend on package secret. Imports
// of a package lists only packages of the result, so an analyzer with facts
// needs no syntax of any other package. Errors are those of [Read].
func Load(ctx context.Context, o Options) (loaded []*packages.Package, named func(*packages.Package) bool, err error) {
	r := newReader(ctx, o)
	r.comments = true
	if err := r.checkPlace(); err != nil {
		return nil, nil, err
	}
	patterns := r.options.Patterns
	roots := map[string]bool{}
	files := slices.ContainsFunc(patterns, func(p string) bool { return strings.HasSuffix(p, ".go") })
	graph, err := r.load(packages.NeedName|packages.NeedImports|packages.NeedDeps, patterns...)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range graph {
		roots[p.ID] = true
	}
	if !files { // the go command takes files or packages
		patterns = append(slices.Clip(patterns), dependents(graph, roots)...)
	}
	if loaded, err = r.loadNamed(patterns...); err != nil {
		return nil, nil, err
	}
	ids := map[string]bool{}
	for _, p := range loaded {
		ids[p.ID] = true
	}
	for _, p := range loaded {
		for path, imported := range p.Imports {
			if !ids[imported.ID] {
				delete(p.Imports, path)
			}
		}
	}
	return loaded, func(p *packages.Package) bool { return files || roots[p.ID] }, nil
}

// dependents returns the paths of the packages that depend on package secret
// and are not named, without those of the library itself.
func dependents(graph []*packages.Package, roots map[string]bool) (paths []string) {
	depends := map[string]bool{}
	packages.Visit(graph, nil, func(p *packages.Package) { // imports first
		depends[p.ID] = p.PkgPath == libraryPath
		for _, imported := range p.Imports {
			depends[p.ID] = depends[p.ID] || depends[imported.ID]
		}
		if depends[p.ID] && !roots[p.ID] && p.PkgPath != libraryPath && !strings.HasPrefix(p.PkgPath, libraryPath+"/") {
			paths = append(paths, p.PkgPath)
		}
	})
	return paths
}

// parse parses one file for the loader.
func (r *reader) parse(fset *token.FileSet, name string, src []byte) (*ast.File, error) {
	mode := parser.SkipObjectResolution | parser.AllErrors
	if r.comments {
		mode |= parser.ParseComments
	}
	return parser.ParseFile(fset, name, src, mode)
}
