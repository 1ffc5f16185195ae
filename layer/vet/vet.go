// Package vet finds wrong uses of package secret in Go source: declarations
// that an App refuses, values that miss a rotation, and values that reach a
// log. It runs no program and reads no value.
//
// [Analyzer] works with every driver of golang.org/x/tools/go/analysis:
//
//	layer secret vet ./...
//	go vet -vettool=$(which layer) ./...
//
// Package golangci beside this one is a plugin for golangci-lint.
//
// The checks, by the category of their diagnostics:
//
//   - declaration: an option that breaks a rule, such as a wrong name or length;
//     two declarations with one binding, in one package or in two that a program
//     imports;
//   - readonce: a value that is read once into a package variable, so that the
//     variable keeps it after a rotation;
//   - dropped: a lazy read such as Current() that is never finished;
//   - equal: a value compared with == or bytes.Equal and not with
//     [secret.Version.Equal];
//   - shown: a value passed to fmt, log, log/slog, errors or panic;
//   - current: a signature or a token verified against the current version
//     alone.
//
// # Limits
//
// The checks follow values through the statements of one function, in the order
// of the text: through variables, fields of structs, conversions,
// concatenation, fmt.Sprintf, functions such as strings.TrimSpace, and functions
// of the same package that return a value which they read. They do not follow a
// value into another function, through a channel or the element of a slice or
// map, or through a slice expression such as text[:4]. So a program
// without findings can still be wrong. An option that is known only when the
// program runs is not checked. Tests are not checked, since their values are
// made up: files that end in _test.go, and packages with a name in test that
// import testing, such as net/http/httptest.
//
// A comment on the line of a finding, or on the line above it, suppresses that
// finding. It needs a reason:
//
//	//layer:ignore this command prints the value for its operator
//
// Diagnostics contain no text of the program other than names.
package vet

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Analyzer reports wrong uses of package secret.
var Analyzer = &analysis.Analyzer{
	Name: "secret",
	Doc: `check the use of package secret

It finds declarations that an App refuses, values that are read once or shown, lazy reads that are
dropped, comparisons with ==, and verification against the current version alone.`,
	URL:      "https://pkg.go.dev/" + libraryPath + "/layer/vet",
	Requires: []*analysis.Analyzer{declarations},
	Run:      run,
}

// libraryPath is the import path of package secret.
const libraryPath = "github.com/layeron-hq/secret"

// checker is the state of one package.
type checker struct {
	*analysis.Pass
	files   []*ast.File // without tests
	ignored map[line]bool
	// refreshed are the package variables that are assigned to again and again, and
	// the structs with a field of which that is true.
	refreshed map[types.Object]bool
	// uses are the references to each function, and once are the functions that
	// only code which runs once calls.
	uses map[types.Object][]use
	once map[types.Object]bool
	// bodies are the functions of the package.
	bodies map[types.Object]*ast.FuncDecl
	// refs are package variables with a Ref or an output, and plain are variables with a secret
	// that never has more than one version.
	refs  map[types.Object]fact
	plain map[types.Object]bool
	// aliases are the variables that always hold one function.
	aliases map[types.Object]ast.Expr
	// results are the first results of the package's functions, as far as they are
	// known, and finding are the functions that are being read for that.
	results map[types.Object]fact
	finding map[types.Object]bool
	// readers are the functions that read other versions than the current one. Nil:
	// not found yet.
	readers map[types.Object]bool
}

func run(pass *analysis.Pass) (any, error) {
	if pass.Pkg.Path() == libraryPath || !imports(pass.Pkg, map[*types.Package]bool{}) {
		return nil, nil
	}
	c := &checker{Pass: pass, files: withoutTests(pass), refs: map[types.Object]fact{},
		results: map[types.Object]fact{}, finding: map[types.Object]bool{}}
	c.findIgnored()
	c.checkDeclarations()
	c.findAliases()
	c.findUses()
	c.findRefreshed()
	c.findRefs()
	c.results = map[types.Object]fact{} // those found so far lack some Refs
	for _, file := range c.files {
		for _, d := range file.Decls {
			(&function{checker: c, vars: map[types.Object]fact{}, others: c.readsOthers(d)}).walk(d)
		}
	}
	return nil, nil
}

// withoutTests returns the files of a package that are no tests. A package for
// tests, such as net/http/httptest, has a name in test and imports testing.
func withoutTests(pass *analysis.Pass) (files []*ast.File) {
	if strings.HasSuffix(pass.Pkg.Name(), "test") &&
		slices.ContainsFunc(pass.Pkg.Imports(), func(p *types.Package) bool { return p.Path() == "testing" }) {
		return nil
	}
	for _, file := range pass.Files {
		if !strings.HasSuffix(pass.Fset.Position(file.FileStart).Filename, "_test.go") {
			files = append(files, file)
		}
	}
	return files
}

// imports reports whether a package is package secret or depends on it.
func imports(p *types.Package, seen map[*types.Package]bool) bool {
	if p.Path() == libraryPath {
		return true
	}
	seen[p] = true
	return slices.ContainsFunc(p.Imports(), func(i *types.Package) bool { return !seen[i] && imports(i, seen) })
}

// report reports a finding, unless a comment suppresses it.
func (c *checker) report(pos token.Pos, check, format string, args ...any) {
	if p := c.Fset.Position(pos); !c.ignored[line{p.Filename, p.Line}] {
		c.Report(analysis.Diagnostic{Pos: pos, Category: check, Message: fmt.Sprintf(format, args...)})
	}
}
