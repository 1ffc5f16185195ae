package vet

import (
	"go/ast"
	"go/token"
	"go/types"
)

// eval returns the knowledge about an expression. For a call with several
// results it is the first one.
func (f *function) eval(e ast.Expr) fact {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		obj := f.TypesInfo.ObjectOf(e)
		if got, ok := f.vars[obj]; ok {
			return got
		}
		return f.refs[obj]
	case *ast.SelectorExpr:
		if f.isStandardOutput(e) {
			return fact{kind: output}
		}
		if s := f.TypesInfo.Selections[e]; s == nil {
			return f.refs[f.TypesInfo.Uses[e.Sel]]
		} else if s.Kind() == types.FieldVal {
			return f.eval(e.X).fields[e.Sel.Name]
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return joined(f.eval(e.X), f.eval(e.Y))
		}
	case *ast.CompositeLit:
		return f.literal(e)
	case *ast.UnaryExpr:
		if e.Op == token.AND {
			return f.eval(e.X)
		}
	case *ast.StarExpr:
		return f.eval(e.X)
	case *ast.TypeAssertExpr:
		return f.eval(e.X)
	case *ast.SliceExpr:
		// Part of a value is no value: a program may show the last characters, or the
		// user of user:password.
		if got := f.eval(e.X); got.kind == derived || e.Low == nil && e.High == nil {
			return got
		}
	case *ast.CallExpr:
		return f.call(e)
	}
	return fact{}
}

// joined returns the knowledge about a text made of several.
func joined(parts ...fact) (got fact) {
	for _, one := range parts {
		if one.shows() {
			got.kind, got.current = text, got.current || one.current
		}
	}
	return got
}

func (f *function) literal(e *ast.CompositeLit) fact {
	t := f.TypesInfo.TypeOf(e)
	if t == nil {
		return fact{}
	}
	if ptr, ok := t.Underlying().(*types.Pointer); ok {
		t = ptr.Elem()
	}
	structure, isStruct := t.Underlying().(*types.Struct)
	fields := map[string]fact{}
	for i, elem := range e.Elts {
		name := ""
		if isStruct {
			name = structure.Field(min(i, structure.NumFields()-1)).Name()
		}
		if kv, ok := elem.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && isStruct {
				name = key.Name
			}
			elem = kv.Value
		}
		got := f.held(f.TypesInfo.TypeOf(elem), f.eval(elem))
		if !isStruct && got.shows() {
			return fact{kind: holder, current: got.current}
		}
		if isStruct {
			fields[name] = got
		}
	}
	return holding(fields)
}

// decode handles a call that decodes a value into a variable.
func (f *function) decode(call *ast.CallExpr, stack []ast.Node) {
	got, dst := fact{}, ast.Expr(nil)
	switch name := f.callee(call); {
	case name.is(libraryPath, "Ref", "JSON"), name.is(libraryPath, "Version", "JSON"):
		if len(call.Args) == 1 {
			got, dst = fact{kind: holder, current: f.receiver(call).current}, call.Args[0]
		}
	case name.is("encoding/json", "", "Unmarshal"):
		if len(call.Args) == 2 {
			if from := f.eval(call.Args[0]); from.kind == text {
				got, dst = fact{kind: holder, current: from.current}, call.Args[1]
			}
		}
	}
	if address, ok := dst.(*ast.UnaryExpr); ok && address.Op == token.AND {
		f.set(address.X, got, stack)
	}
}
