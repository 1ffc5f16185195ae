package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"strings"
)

// kind is the relation of an expression to a secret.
type kind uint8

const (
	nothing  kind = iota
	text          // the value, or a text that contains it
	holder        // a struct, slice or map that contains a text
	lazy          // a Ref
	version       // a Version
	document      // a Document, or a list of Versions
	derived       // computed from a text, such as a MAC
	output        // a writer that people read
)

// fact is the knowledge about an expression at one place of a function.
type fact struct {
	kind    kind
	current bool            // it comes from the current version alone
	fields  map[string]fact // the known fields of a holder; nil: any field
}

// shows reports whether printing the expression would show a value.
func (f fact) shows() bool { return f.kind == text || f.kind == holder }

// keeps reports whether a variable that holds the expression keeps a value.
func (f fact) keeps() bool { return f.shows() || f.kind == version || f.kind == document }

// with returns a holder with one more field.
func (f fact) with(field string, value fact) fact {
	if f.kind == holder && f.fields == nil {
		return f
	}
	fields := maps.Clone(f.fields)
	if fields == nil {
		fields = map[string]fact{}
	}
	fields[field] = value
	return holding(fields)
}

func holding(fields map[string]fact) fact {
	got := fact{fields: fields}
	for _, one := range fields {
		if one.shows() {
			got.kind, got.current = holder, got.current || one.current
		}
	}
	if got.kind == nothing {
		return fact{}
	}
	return got
}

// function is the state of one function, or of a declaration outside functions.
type function struct {
	*checker
	vars   map[types.Object]fact
	others bool // it reads other versions than the current one
	// returns are the first results of its returns. A quiet function only collects
	// these, and reports nothing.
	returns []fact
	quiet   bool
}

// report reports a finding.
func (f *function) report(pos token.Pos, check, format string, args ...any) {
	if !f.quiet {
		f.checker.report(pos, check, format, args...)
	}
}

// walk visits the nodes in the order of the text. It applies an assignment
// after the checks of its right side.
func (f *function) walk(root ast.Node) {
	var stack []ast.Node
	ast.Inspect(root, func(n ast.Node) bool {
		if n != nil {
			switch n := n.(type) {
			case *ast.RangeStmt:
				f.clear(n.Key)
				f.clear(n.Value)
			case *ast.TypeSwitchStmt:
				f.bind(n)
			}
			stack = append(stack, n)
			return true
		}
		last := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		f.leave(last, stack)
		return true
	})
}

func (f *function) leave(n ast.Node, stack []ast.Node) {
	switch n := n.(type) {
	case *ast.CallExpr:
		f.checkShown(n)
		f.checkEqualCall(n)
		f.checkCurrent(n)
		f.decode(n, stack)
		f.write(n)
	case *ast.BinaryExpr:
		f.checkEqual(n)
	case *ast.SwitchStmt:
		f.checkSwitch(n)
	case *ast.ReturnStmt:
		f.checkKeyFunc(n, stack)
		f.collect(n, stack)
	case *ast.ExprStmt:
		f.checkDropped(n.X)
	case *ast.GoStmt:
		f.checkDropped(n.Call)
	case *ast.DeferStmt:
		f.checkDropped(n.Call)
	case *ast.AssignStmt:
		f.assign(n, stack)
	case *ast.ValueSpec:
		if len(stack) == 1 { // outside functions
			f.checkInitializer(n)
		}
		names := make([]ast.Expr, len(n.Names))
		for i, name := range n.Names {
			names[i] = name
		}
		f.setAll(names, n.Values, stack)
	}
}

func (f *function) assign(n *ast.AssignStmt, stack []ast.Node) {
	if n.Tok != token.ASSIGN && n.Tok != token.DEFINE {
		if n.Tok == token.ADD_ASSIGN {
			if got := f.eval(n.Rhs[0]); got.kind == text {
				f.set(n.Lhs[0], got, stack)
			}
		}
		return
	}
	f.setAll(n.Lhs, n.Rhs, stack)
}

// setAll gives variables their values: one each, or the results of one call.
func (f *function) setAll(left, right []ast.Expr, stack []ast.Node) {
	if len(right) == 0 {
		return
	}
	got := make([]fact, len(left))
	for i, e := range right {
		got[i] = f.eval(e) // the first result of a call is the one that can be a value
	}
	for i, e := range left {
		if len(left) == len(right) && isBlank(e) {
			f.checkDropped(right[i])
		}
		f.set(e, got[i], stack)
	}
}

// set changes the knowledge about a variable, or about a field of one.
func (f *function) set(to ast.Expr, got fact, stack []ast.Node) {
	f.checkAssigned(to, got, stack)
	f.change(to, got)
}

func (f *function) change(to ast.Expr, got fact) {
	switch to := ast.Unparen(to).(type) {
	case *ast.Ident:
		obj := f.TypesInfo.ObjectOf(to)
		if obj == nil || isGlobal(obj) {
			return
		}
		if got.kind == nothing {
			delete(f.vars, obj)
		} else {
			f.vars[obj] = got
		}
	case *ast.SelectorExpr:
		if s := f.TypesInfo.Selections[to]; s != nil && s.Kind() == types.FieldVal {
			if before := f.eval(to.X); before.kind != nothing || got.shows() {
				f.change(to.X, before.with(to.Sel.Name, f.held(s.Obj().Type(), got)))
			}
		}
	case *ast.IndexExpr:
		if got.shows() {
			f.change(to.X, fact{kind: holder, current: got.current})
		}
	case *ast.StarExpr:
		f.change(to.X, got)
	}
}

// bind gives the variable of a type switch its value. Each clause has a variable
// of its own.
func (f *function) bind(n *ast.TypeSwitchStmt) {
	assign, ok := n.Assign.(*ast.AssignStmt)
	if !ok {
		return
	}
	got := f.eval(assign.Rhs[0])
	for _, clause := range n.Body.List {
		if obj := f.TypesInfo.Implicits[clause]; obj != nil && got.kind != nothing {
			f.vars[obj] = got
		}
	}
}

func (f *function) clear(e ast.Expr) {
	if e != nil {
		f.change(e, fact{})
	}
}

// held returns the knowledge about a part that is printed with the whole. A type
// that prints itself in its own way shows nothing, nor does a decoded struct with
// a field of such a type.
func (f *function) held(t types.Type, got fact) fact {
	if got.shows() && (printsItself(t) || got.kind == holder && got.fields == nil && f.hides(t)) {
		return fact{}
	}
	return got
}

// hides reports whether a struct has a field, at any depth, of a type that a
// program made to print itself. Types of the standard library, such as
// time.Time, hide nothing.
func (c *checker) hides(t types.Type) bool {
	if t == nil {
		return false
	}
	if ptr, ok := t.Underlying().(*types.Pointer); ok {
		t = ptr.Elem()
	}
	structure, ok := t.Underlying().(*types.Struct)
	if !ok {
		return false
	}
	for field := range structure.Fields() {
		inner, known := types.Unalias(field.Type()).(*types.Named)
		made := known && inner.Obj().Pkg() != nil && !c.isStandard(inner.Obj().Pkg().Path())
		_, byPointer := field.Type().Underlying().(*types.Pointer) // fmt shows its address; and a struct may contain itself
		if made && printsItself(inner) || !byPointer && c.hides(field.Type()) {
			return true
		}
	}
	return false
}

// isStandard reports whether an import path is one of the standard library: its
// first element has no dot, and is not that of this package.
func (c *checker) isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	own, _, _ := strings.Cut(c.Pkg.Path(), "/")
	return !strings.Contains(first, ".") && first != own
}

// printsItself reports whether fmt or log/slog call a method of the type.
func printsItself(t types.Type) bool {
	if t == nil {
		return false
	}
	methods := types.NewMethodSet(t)
	if isBufferType(t) {
		return false // it prints its text
	}
	for _, name := range []string{"Format", "String", "Error", "LogValue"} {
		if methods.Lookup(nil, name) != nil {
			return true
		}
	}
	return false
}

func isBlank(e ast.Expr) bool {
	name, ok := e.(*ast.Ident)
	return ok && name.Name == "_"
}

// isGlobal reports whether an object is a variable outside functions.
func isGlobal(obj types.Object) bool { return obj.Pkg() != nil && obj.Parent() == obj.Pkg().Scope() }

// rootOf returns the variable at the start of a path of fields, elements and
// pointers, or nil.
func (c *checker) rootOf(e ast.Expr) types.Object {
	for {
		switch x := ast.Unparen(e).(type) {
		case *ast.Ident:
			return c.TypesInfo.ObjectOf(x)
		case *ast.SelectorExpr:
			if c.TypesInfo.Selections[x] == nil {
				return c.TypesInfo.Uses[x.Sel] // a variable of another package
			}
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		default:
			return nil
		}
	}
}
