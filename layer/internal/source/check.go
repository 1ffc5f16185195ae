package source

import (
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"

	"github.com/layeron-hq/secret"
)

// Unit is one type-checked package for [Check].
type Unit struct {
	Fset  *token.FileSet
	Files []*ast.File // those to read
	Types *types.Package
	Info  *types.Info
	// Imports are the imports of the Files that lead to declarations.
	Imports []Import
}

// Import is a package that a Unit imports.
type Import struct {
	Pos token.Pos // of the import declaration
	// Declarations are those of the package and of all that it imports.
	Declarations []Declaration
}

// Declaration is a call of a constructor whose options are all known. It can be
// encoded with package gob.
type Declaration struct {
	Constructor string
	Options     secret.Options // without Store
	At          string         // import path of the package, file, line and column
	Pos         token.Pos      // in the Unit; 0 for one of another package
}

// Fault is a declaration that App.Start would refuse.
type Fault struct {
	Pos token.Pos
	// Text describes the fault and the next step. It quotes no text of the program.
	Text string
}

// Check returns the declarations of one package, and the faults of these and of
// the imported ones together. Unlike [Read] it loads nothing, and an option
// that is not known is no fault. A conflict of two imported declarations is one
// of the package only if none of its imports leads to both.
func Check(u Unit) ([]Declaration, []Fault) {
	if len(u.Files) == 0 {
		return nil, nil
	}
	r := &reader{fset: u.Fset, pkgs: map[string]*pkg{}, vars: newVariables(), busy: map[varKey]bool{}, known: true}
	r.options.Dir = filepath.Dir(u.Fset.Position(u.Files[0].FileStart).Filename)
	one := &pkg{path: u.Types.Path(), files: u.Files, types: u.Types, info: u.Info}
	r.roots, r.pkgs[one.path] = []*pkg{one}, one
	r.vars.collect(one)
	r.findAll()
	r.conflicts(r.imported(u.Imports))
	var declarations []Declaration
	for _, d := range r.found {
		p := u.Fset.Position(d.pos)
		p.Filename = u.Types.Path() + "/" + filepath.Base(p.Filename)
		declarations = append(declarations, Declaration{Constructor: d.constructor, Options: d.options, At: p.String(),
			Pos: d.pos})
	}
	var faults []Fault
	for _, p := range r.sorted() {
		faults = append(faults, Fault{p.pos, p.Text})
	}
	return declarations, faults
}

// imported reports the conflicts that only this package's imports bring
// together, and returns all their declarations.
func (r *reader) imported(imports []Import) claims {
	all, known := newClaims(), map[string]bool{}
	leads := map[string][]int{} // the imports that lead to a declaration
	for i, from := range imports {
		for _, d := range from.Declarations {
			leads[d.At] = append(leads[d.At], i)
		}
	}
	for _, from := range imports {
		for _, d := range from.Declarations {
			if constructors[d.Constructor] == nil || known[d.At] {
				continue
			}
			known[d.At] = true
			one := declared{at: d.At, secret: constructors[d.Constructor](d.Options), constructor: d.Constructor,
				options: d.Options}
			first, option, text := r.conflict(all, one)
			together := slices.ContainsFunc(leads[d.At], func(i int) bool {
				return slices.Contains(leads[first.at], i)
			})
			if text != "" && !together {
				r.report(from.Pos, option, "%s", text)
			}
		}
	}
	return all
}

// names returns the options of a partly known declaration whose rules depend on
// no other option. An unknown name is replaced by a valid one.
func names(o secret.Options, places map[string]token.Pos) secret.Options {
	checked := secret.Options{Namespace: o.Namespace, Name: o.Name, Bytes: o.Bytes, Encoding: o.Encoding,
		SecretName: o.SecretName, Binding: o.Binding, Generator: o.Generator}
	if _, known := places["Name"]; !known {
		checked.Name = "name"
	}
	return checked
}
