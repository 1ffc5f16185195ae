package source

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/layeron-hq/secret"
)

// constructors are the constructors of package secret, by name.
var constructors = map[string]func(secret.Options) *secret.Secret{
	"Static": secret.Static, "Random": secret.Random, "Generated": secret.Generated,
}

// findAll collects every declaration in the packages that the patterns name,
// used or not.
func (r *reader) findAll() {
	for _, p := range r.roots {
		for _, file := range p.files {
			ast.PreorderStack(file, nil, func(n ast.Node, stack []ast.Node) bool {
				if name, ok := n.(*ast.Ident); ok {
					r.use(p, name, stack)
				}
				return true
			})
		}
	}
}

// use handles an identifier that refers to a constructor. A call with constants
// is a declaration; any other use is reported as a problem.
func (r *reader) use(p *pkg, name *ast.Ident, stack []ast.Node) {
	constructor := r.constructor(p.info.Uses[name])
	if constructor == "" {
		return
	}
	e := ast.Expr(name)
	for len(stack) > 0 { // from the name to pkg.Name, and out of parentheses
		switch up := stack[len(stack)-1].(type) {
		case *ast.SelectorExpr:
			e = up
		case *ast.ParenExpr:
			e = up
		case *ast.CallExpr:
			if up.Fun == e && len(up.Args) == 1 {
				r.declaration(p, constructor, up)
				return
			}
			r.lost(e.Pos(), constructor)
			return
		case *ast.ValueSpec:
			for i, v := range up.Values {
				if v == e && r.constructor(p.info.Defs[up.Names[i]]) != "" {
					return // the uses of that variable are handled there
				}
			}
			r.lost(e.Pos(), constructor)
			return
		case *ast.AssignStmt:
			for i, v := range up.Rhs {
				if to, ok := up.Lhs[i].(*ast.Ident); v == e && ok &&
					(to.Name == "_" || up.Tok == token.DEFINE && r.constructor(p.info.Defs[to]) != "") {
					return
				}
			}
			r.lost(e.Pos(), constructor)
			return
		default:
			r.lost(e.Pos(), constructor)
			return
		}
		stack = stack[:len(stack)-1]
	}
}

func (r *reader) lost(pos token.Pos, constructor string) {
	r.unclear(pos, "",
		"secret.%s is passed on as a value, so its declarations are not known; call it here, with constants",
		constructor)
}

// constructor returns the name of the constructor that an object refers to. The
// object is the function itself, or a variable that never contains anything
// else. Empty: neither.
func (r *reader) constructor(obj types.Object) string {
	switch obj := obj.(type) {
	case *types.Func:
		if isSecret(obj.Pkg()) && constructors[obj.Name()] != nil {
			return obj.Name()
		}
	case *types.Var:
		if !isConstructorType(obj.Type()) || obj.IsField() {
			return ""
		}
		key := keyOf(obj)
		if key.pkg != "" {
			r.need(key.pkg)
		}
		d, ok := r.vars.defined[key]
		if !ok || d.init == nil || r.vars.changed[key].IsValid() || r.busy[key] {
			return ""
		}
		r.busy[key] = true
		defer delete(r.busy, key)
		switch e := ast.Unparen(d.init).(type) {
		case *ast.Ident:
			return r.constructor(d.pkg.info.Uses[e])
		case *ast.SelectorExpr:
			return r.constructor(d.pkg.info.Uses[e.Sel])
		}
	}
	return ""
}

func isConstructorType(t types.Type) bool {
	f, ok := t.Underlying().(*types.Signature)
	return ok && f.Params().Len() == 1 && isNamed(f.Params().At(0).Type(), "Options")
}

// declaration collects one call of a constructor.
func (r *reader) declaration(p *pkg, constructor string, call *ast.CallExpr) {
	o, places, ok := r.declared(p, constructor, call)
	if !ok && r.known {
		o = names(o, places)
	} else if !ok {
		return
	}
	s := constructors[constructor](o)
	if !r.wrong(s, call.Pos(), places) && ok {
		r.found = append(r.found, declared{pos: call.Pos(), secret: s, constructor: constructor, options: o})
	}
}
