package source

import (
	"go/ast"
	"go/token"
	"go/types"
)

// varKey is a variable. One at package level goes by its name: a package that was loaded twice has two objects for it.
type varKey struct {
	pkg, name string
	local     types.Object
}

func keyOf(v types.Object) varKey {
	if p := v.Pkg(); p != nil && v.Parent() == p.Scope() {
		return varKey{pkg: p.Path(), name: v.Name()}
	}
	return varKey{local: v}
}

// definition is where a variable gets its first value.
type definition struct {
	pkg  *pkg
	init ast.Expr // nil: the zero value
	how  origin
}

type origin uint8

const (
	assigned  origin = iota // by its own expression, or none
	oneOfMany               // by a call with several results, a receive, a type switch
	parameter               // of a function
	loop                    // by range
)

// variables is what is known of all variables in the packages that were loaded.
type variables struct {
	defined map[varKey]definition
	changed map[varKey]token.Pos // where something other than its definition may give it another value
	// Where a Rotation or Params is changed through a pointer or a map: that may be any variable's.
	rotation, params token.Pos
}

func newVariables() variables {
	return variables{defined: map[varKey]definition{}, changed: map[varKey]token.Pos{}}
}

// collect takes up the variables of one package, and what it does to its own and to other packages'.
func (v *variables) collect(p *pkg) {
	for _, file := range p.files {
		ast.PreorderStack(file, nil, func(n ast.Node, stack []ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, name := range n.Names {
					v.define(p, name, i, len(n.Names), n.Values)
				}
			case *ast.AssignStmt:
				for i, lhs := range n.Lhs {
					name, ok := lhs.(*ast.Ident)
					if ok && n.Tok == token.DEFINE && p.info.Defs[name] != nil {
						v.define(p, name, i, len(n.Lhs), n.Rhs)
					} else if !(ok && name.Name == "_") {
						v.change(p, lhs)
					}
				}
			case *ast.IncDecStmt:
				v.change(p, n.X)
			case *ast.RangeStmt:
				for _, e := range []ast.Expr{n.Key, n.Value} {
					if name, ok := e.(*ast.Ident); ok && p.info.Defs[name] != nil {
						v.defined[keyOf(p.info.Defs[name])] = definition{pkg: p, how: loop}
					} else if e != nil {
						v.change(p, e)
					}
				}
			case *ast.FuncType:
				v.parameters(p, n)
			case *ast.FuncDecl:
				if n.Recv != nil {
					v.fields(p, n.Recv)
				}
			case *ast.UnaryExpr:
				if n.Op == token.AND && !isOption(p, parent(stack), n) {
					v.change(p, n.X)
				}
			case *ast.SelectorExpr:
				if s := p.info.Selections[n]; s != nil && s.Kind() == types.MethodVal && takesAddress(s) {
					v.change(p, n.X)
				}
			case *ast.SliceExpr:
				if _, ok := p.info.TypeOf(n.X).Underlying().(*types.Array); ok {
					v.change(p, n.X)
				}
			case *ast.Ident:
				v.handOn(p, n, stack)
			}
			return true
		})
	}
}

func (v *variables) define(p *pkg, name *ast.Ident, i, of int, values []ast.Expr) {
	obj := p.info.Defs[name]
	if obj == nil {
		return
	}
	d := definition{pkg: p}
	switch {
	case len(values) == of:
		d.init = values[i]
	case len(values) != 0:
		d.how = oneOfMany
	}
	v.defined[keyOf(obj)] = d
}

func (v *variables) parameters(p *pkg, f *ast.FuncType) {
	v.fields(p, f.Params)
	if f.Results != nil {
		v.fields(p, f.Results)
	}
}

func (v *variables) fields(p *pkg, list *ast.FieldList) {
	for _, field := range list.List {
		for _, name := range field.Names {
			if obj := p.info.Defs[name]; obj != nil {
				v.defined[keyOf(obj)] = definition{pkg: p, how: parameter}
			}
		}
	}
}

// change marks the variable that an expression stands in. A Store is no part of a spec: it may be set at any time.
func (v *variables) change(p *pkg, e ast.Expr) {
	if s, ok := ast.Unparen(e).(*ast.SelectorExpr); ok && isField(p, s, "Options", "Store") {
		return
	}
	root, through := rootOf(p, e)
	if through&throughRotation != 0 {
		v.rotation = e.Pos()
	}
	if through&throughParams != 0 {
		v.params = e.Pos()
	}
	if root == nil {
		return
	}
	if key := keyOf(root); !v.changed[key].IsValid() {
		v.changed[key] = e.Pos()
	}
}

type path uint8

const (
	throughRotation path = 1 << iota // a pointer to a Rotation is followed
	throughParams                    // the Params of Options are
)

// rootOf returns the variable at the beginning of a path of fields, elements and pointers, and what the path leads through.
func rootOf(p *pkg, e ast.Expr) (root *types.Var, through path) {
	for {
		switch x := ast.Unparen(e).(type) {
		case *ast.Ident:
			root, _ = p.info.ObjectOf(x).(*types.Var)
			return root, through
		case *ast.SelectorExpr:
			s := p.info.Selections[x]
			if s == nil { // a variable of another package
				root, _ = p.info.Uses[x.Sel].(*types.Var)
				return root, through
			}
			if isField(p, x, "Options", "Params") {
				through |= throughParams
			}
			through |= rotationPointer(p.info.TypeOf(x.X))
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			through |= rotationPointer(p.info.TypeOf(x.X))
			e = x.X
		default:
			return nil, through
		}
	}
}

func rotationPointer(t types.Type) path {
	if ptr, ok := types.Unalias(t).(*types.Pointer); ok && isNamed(ptr.Elem(), "Rotation") {
		return throughRotation
	}
	return 0
}

// handOn marks a variable that refers to something, where that is handed on to somebody who may change it.
func (v *variables) handOn(p *pkg, name *ast.Ident, stack []ast.Node) {
	obj, ok := p.info.Uses[name].(*types.Var)
	if !ok || obj.IsField() {
		return
	}
	e := ast.Expr(name)
	i := len(stack) - 1
	for ; i >= 0; i-- { // the longest path that begins with the variable
		switch up := stack[i].(type) {
		case *ast.SelectorExpr:
			if s := p.info.Selections[up]; s != nil && s.Kind() != types.FieldVal {
				return // a method; see takesAddress
			}
			e = up
			continue
		case *ast.ParenExpr:
			e = up
			continue
		case *ast.IndexExpr:
			if up.X == e {
				e = up
				continue
			}
		case *ast.StarExpr:
			e = up
			continue
		}
		break
	}
	if i < 0 {
		return
	}
	t := p.info.TypeOf(e)
	if t == nil {
		return
	}
	switch u := t.Underlying().(type) {
	case *types.Map, *types.Slice:
	case *types.Pointer:
		if _, ok := u.Elem().Underlying().(*types.Struct); !ok {
			return
		}
	default:
		return
	}
	switch up := stack[i].(type) {
	case *ast.CallExpr:
		if up.Fun == e || isReader(p, up) {
			return
		}
	case *ast.AssignStmt, *ast.ValueSpec:
		if rotationPointer(t) != 0 || isTarget(stack[i], e) {
			return // a change through the other name is seen by its type
		}
	case *ast.KeyValueExpr, *ast.CompositeLit:
		if isOption(p, stack[i], e) || rotationPointer(t) != 0 {
			return
		}
	case *ast.RangeStmt, *ast.BinaryExpr:
		return
	}
	v.change(p, e)
}

// isTarget tells whether e is what a statement assigns to, or goes to nobody.
func isTarget(n ast.Node, e ast.Expr) bool {
	a, ok := n.(*ast.AssignStmt)
	if !ok {
		return false
	}
	for i, lhs := range a.Lhs {
		blank, _ := lhs.(*ast.Ident)
		if lhs == e || len(a.Lhs) == len(a.Rhs) && a.Rhs[i] == e && blank != nil && blank.Name == "_" {
			return true
		}
	}
	return false
}

// isReader tells whether a call only looks at what it is given.
func isReader(p *pkg, call *ast.CallExpr) bool {
	name, ok := ast.Unparen(call.Fun).(*ast.Ident)
	if !ok {
		return false
	}
	_, builtin := p.info.Uses[name].(*types.Builtin)
	return builtin && (name.Name == "len" || name.Name == "print" || name.Name == "println")
}

// isOption tells whether e stands in a literal of Options, from which the constructors copy what it refers to.
func isOption(p *pkg, up ast.Node, e ast.Expr) bool {
	switch up := up.(type) {
	case *ast.KeyValueExpr:
		name, ok := up.Key.(*ast.Ident)
		if !ok || up.Value != e {
			return false
		}
		field, ok := p.info.Uses[name].(*types.Var)
		return ok && field.IsField() && (field.Name() == "Rotation" || field.Name() == "Params") && isSecret(field.Pkg())
	case *ast.CompositeLit:
		return isNamed(p.info.TypeOf(up), "Options")
	}
	return false
}

func isField(p *pkg, x *ast.SelectorExpr, of, name string) bool {
	field, ok := p.info.Uses[x.Sel].(*types.Var)
	return ok && field.IsField() && field.Name() == name && isSecret(field.Pkg()) && p.info.Selections[x] != nil && hasField(field, of)
}

// hasField tells whether a field is one of the named struct of package secret.
func hasField(field *types.Var, of string) bool {
	obj := field.Pkg().Scope().Lookup(of)
	if obj == nil {
		return false
	}
	s, ok := obj.Type().Underlying().(*types.Struct)
	if !ok {
		return false
	}
	for f := range s.Fields() {
		if f == field {
			return true
		}
	}
	return false
}

// takesAddress tells whether the call of a method may change the variable that it is called on.
func takesAddress(s *types.Selection) bool {
	f, ok := s.Obj().(*types.Func)
	if !ok {
		return false
	}
	recv := f.Signature().Recv()
	if recv == nil {
		return false
	}
	_, pointer := types.Unalias(recv.Type()).(*types.Pointer)
	return pointer
}

func parent(stack []ast.Node) ast.Node {
	if len(stack) == 0 {
		return nil
	}
	return stack[len(stack)-1]
}

// libraryPath is the package whose constructors are looked for.
const libraryPath = "github.com/layeron-hq/secret"

func isSecret(p *types.Package) bool { return p != nil && p.Path() == libraryPath }

// isNamed tells whether t is that type of package secret.
func isNamed(t types.Type, name string) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Name() == name && isSecret(named.Obj().Pkg())
}
