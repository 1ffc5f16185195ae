package source

import (
	"go/ast"
	"go/token"
	"go/types"
)

// varKey identifies a variable. A package-level variable is identified by its
// name, because a package that was loaded twice has two objects for it.
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

// definition is the definition of a variable, with its first value.
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

// variables are the facts about all variables in the loaded packages.
type variables struct {
	defined map[varKey]definition
	// The first position, other than the definition, that may change the variable.
	changed map[varKey]token.Pos
	// Positions at which a Rotation or Params is changed through a pointer or a
	// map: the change may affect any variable.
	rotation, params token.Pos
}

func newVariables() variables {
	return variables{defined: map[varKey]definition{}, changed: map[varKey]token.Pos{}}
}

// collect records the variables of one package, and its changes to its own and
// to other packages' variables.
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

// change marks the variable in an expression as changed. A Store is not part of
// a spec, so it may be set at any time.
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
	throughParams                    // the Params of Options are accessed
)

// rootOf returns the variable at the beginning of a path of fields, elements
// and pointers, and the kinds of steps on the path.
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

// handOn marks a variable of a reference type as changed if it is passed to
// code that may change its referent.
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
			return // a change through the other name is found by its type
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

// isTarget reports whether e is assigned to by a statement, or is assigned to
// the blank identifier.
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

// isReader reports whether a call only reads its arguments.
func isReader(p *pkg, call *ast.CallExpr) bool {
	name, ok := ast.Unparen(call.Fun).(*ast.Ident)
	if !ok {
		return false
	}
	_, builtin := p.info.Uses[name].(*types.Builtin)
	return builtin && (name.Name == "len" || name.Name == "print" || name.Name == "println")
}

// isOption reports whether e is an element of a literal of Options. The
// constructors copy the data that it refers to.
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
	return ok && field.IsField() && field.Name() == name && isSecret(field.Pkg()) && p.info.Selections[x] != nil &&
		hasField(field, of)
}

// hasField reports whether a field belongs to the named struct of package
// secret.
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

// takesAddress reports whether a method call may change its receiver variable.
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

// libraryPath is the package of the constructors.
const libraryPath = "github.com/layeron-hq/secret"

func isSecret(p *types.Package) bool { return p != nil && p.Path() == libraryPath }

// isNamed reports whether t is the named type of package secret.
func isNamed(t types.Type, name string) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Name() == name && isSecret(named.Obj().Pkg())
}
