package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

const readOnceAdvice = "the variable keeps the value after a rotation; read the value where it is used: after " +
	"App.Start " +
	"a read takes no I/O"

// checkInitializer reports a read in the initializer of a package variable.
func (f *function) checkInitializer(n *ast.ValueSpec) {
	used := slices.ContainsFunc(n.Names, func(name *ast.Ident) bool {
		return name.Name != "_" && !isErrorOrBool(f.TypesInfo.TypeOf(name)) && !f.refreshed[f.TypesInfo.Defs[name]] &&
			!f.replaces(f.TypesInfo.TypeOf(name))
	})
	if !used {
		return // the read only checks that there is a value
	}
	for _, value := range n.Values {
		ast.PreorderStack(value, nil, func(n ast.Node, stack []ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				return f.calledOnce(n, stack, "OnceFunc", "OnceValue", "OnceValues")
			case *ast.CallExpr:
				if f.reads(n) || f.readsInOnce(n) || f.returned(n).keeps() {
					f.report(n.Pos(), "readonce", "a secret is read once into a package variable: %s", readOnceAdvice)
					return false
				}
			}
			return true
		})
	}
}

func isErrorOrBool(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Kind() == types.Bool || types.Identical(t, types.Universe.Lookup("error").Type())
}

// readsInOnce reports whether a call is one like sync.OnceValue, of a method or
// of a function of this package that reads a secret.
func (c *checker) readsInOnce(call *ast.CallExpr) (found bool) {
	if n := c.callee(call); n.pkg != "sync" || !strings.HasPrefix(n.name, "Once") || len(call.Args) != 1 {
		return false
	}
	switch arg := ast.Unparen(call.Args[0]).(type) {
	case *ast.SelectorExpr:
		method, ok := c.TypesInfo.Uses[arg.Sel].(*types.Func)
		return ok && (nameOf(method).reads() || c.returnedBy(method.Origin()).keeps())
	case *ast.Ident:
		if c.returnedBy(c.TypesInfo.Uses[arg]).keeps() {
			return true
		}
		if d := c.bodies[c.TypesInfo.Uses[arg]]; d != nil {
			ast.Inspect(d, func(n ast.Node) bool {
				inner, ok := n.(*ast.CallExpr)
				found = found || ok && c.reads(inner)
				return !found
			})
		}
	}
	return found
}

// reads reports whether a call reads a secret.
func (c *checker) reads(call *ast.CallExpr) bool { return c.callee(call).reads() }

func (n name) reads() bool {
	switch {
	case n.pkg != libraryPath:
		return n.is(libraryPath+"/keyring", "", "Find")
	case n.recv == "Ref":
		return slices.Contains([]string{"Text", "Bytes", "Get", "JSON"}, n.name)
	case n.recv == "Derived":
		return n.name == "Get"
	case n.recv == "Secret":
		return slices.Contains([]string{"Load", "Active", "ActiveAt"}, n.name)
	}
	return n.recv == "" && n.name == "JSON"
}

// checkAssigned reports a value that code which runs once assigns to a package
// variable.
func (f *function) checkAssigned(to ast.Expr, got fact, stack []ast.Node) {
	if !got.keeps() || f.replaces(f.TypesInfo.TypeOf(to)) {
		return
	}
	if obj := f.rootOf(to); obj != nil && isGlobal(obj) && !f.refreshed[obj] && f.runsOnce(stack) {
		f.report(to.Pos(), "readonce", "a value is read once into a package variable: %s", readOnceAdvice)
	}
}

// replaces reports whether a struct replaces its fields while the program runs.
func (c *checker) replaces(t types.Type) bool {
	obj := typeOf(t)
	return obj != nil && c.refreshed[obj]
}

// typeOf returns the declaration of a named type or of a pointer to one, or nil.
func typeOf(t types.Type) types.Object {
	if ptr, ok := types.Unalias(t).(*types.Pointer); ok {
		t = ptr.Elem()
	}
	if named, ok := types.Unalias(t).(*types.Named); ok {
		return named.Obj()
	}
	return nil
}

// isMadeHere reports whether a field belongs to a variable of the innermost
// function: the function makes the struct, and does not change that of others.
func (c *checker) isMadeHere(field *ast.SelectorExpr, stack []ast.Node) bool {
	var body *ast.BlockStmt
	for _, n := range stack {
		switch n := n.(type) {
		case *ast.FuncDecl:
			body = n.Body
		case *ast.FuncLit:
			body = n.Body
		}
	}
	obj := c.rootOf(field)
	return body != nil && obj != nil && body.Pos() < obj.Pos() && obj.Pos() < body.End()
}

// findRefreshed collects the package variables that are assigned to by code
// that may run more than once, and the structs with such a field.
func (c *checker) findRefreshed() {
	c.refreshed = map[types.Object]bool{}
	for _, file := range c.files {
		ast.PreorderStack(file, nil, func(n ast.Node, stack []ast.Node) bool {
			var changed []ast.Expr
			switch n := n.(type) {
			case *ast.AssignStmt:
				changed = n.Lhs
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					changed = []ast.Expr{n.X}
				}
			}
			for _, e := range changed {
				if field, ok := ast.Unparen(e).(*ast.SelectorExpr); ok && c.TypesInfo.Selections[field] != nil &&
					!c.isMadeHere(field, stack) && !c.runsOnce(stack) {
					if of := typeOf(c.TypesInfo.TypeOf(field.X)); of != nil {
						c.refreshed[of] = true
					}
				}
				if obj := c.rootOf(e); obj != nil && isGlobal(obj) && !c.runsOnce(stack) {
					c.refreshed[obj] = true
				}
			}
			return true
		})
	}
}

// findRefs collects the package variables with a Ref, or with a writer that
// people read.
func (c *checker) findRefs() {
	f := &function{checker: c, vars: map[types.Object]fact{}}
	for _, file := range c.files {
		for _, d := range file.Decls {
			general, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				if spec, ok := spec.(*ast.ValueSpec); ok && len(spec.Values) == len(spec.Names) {
					for i, name := range spec.Names {
						obj := c.TypesInfo.Defs[name]
						if got := f.eval(spec.Values[i]); (got.kind == lazy || got.kind == output) && !c.refreshed[obj] {
							c.refs[obj] = got
						}
					}
				}
			}
		}
	}
}
