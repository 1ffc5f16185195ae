package source

import (
	"cmp"
	"go/ast"
	"go/parser"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

// leftOut warns of files that seem to declare secrets, but are not part of a
// build for this platform and with these tags. A Worker's files are built for
// js/wasm, and the pattern ... silently skips a folder of such files.
func (r *reader) leftOut(loaded []*packages.Package) {
	other := []string{"GOOS=js", "GOARCH=wasm"}
	if r.goos() == "js" {
		other = []string{"GOOS=" + runtime.GOOS, "GOARCH=" + runtime.GOARCH}
	}
	elsewhere, err := r.loadFor(other, packages.NeedName|packages.NeedFiles, r.options.Patterns...)
	if err != nil {
		return
	}
	read := map[string]bool{}
	for _, p := range loaded {
		for _, file := range p.GoFiles {
			read[file] = true
		}
	}
	for _, p := range slices.Concat(loaded, elsewhere) {
		for _, file := range slices.Concat(p.GoFiles, p.IgnoredFiles) {
			if !read[file] {
				read[file] = true
				r.warnOf(file)
			}
		}
	}
}

// goos returns the operating system that the packages are read for.
func (r *reader) goos() string {
	env := r.options.Env
	if env == nil {
		env = os.Environ()
	}
	for _, setting := range slices.Backward(env) { // the last setting is the effective one
		if system, ok := strings.CutPrefix(setting, "GOOS="); ok {
			return cmp.Or(system, runtime.GOOS)
		}
	}
	return runtime.GOOS
}

// warnOf examines the syntax of one file: the file may not compile here.
func (r *reader) warnOf(name string) {
	base := filepath.Base(name)
	if filepath.Ext(base) != ".go" || strings.HasSuffix(base, "_test.go") {
		return
	}
	file, err := parser.ParseFile(r.fset, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return
	}
	library := ""
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil && path == libraryPath {
			library = "secret"
			if spec.Name != nil {
				library = spec.Name.Name
			}
		}
	}
	warned := library == ""
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || warned {
			return !warned
		}
		called := ""
		switch f := ast.Unparen(call.Fun).(type) {
		case *ast.SelectorExpr:
			if x, ok := f.X.(*ast.Ident); ok && x.Name == library {
				called = f.Sel.Name
			}
		case *ast.Ident:
			if library == "." {
				called = f.Name
			}
		}
		if constructors[called] != nil {
			warned = true
			r.options.Warn(Problem{Pos: r.position(call.Pos()), Text: "a secret is declared in a file that build " +
				"constraints leave out here; to read it set GOOS, GOARCH or tags as for its build (a Worker's: GOOS=js " +
				"GOARCH=wasm)"})
		}
		return true
	})
}
