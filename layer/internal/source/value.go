package source

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"time"
)

// value is the result of evaluating an expression without running the program.
type value interface{}

type (
	// constantValue is a string, a number or a bool.
	constantValue struct{ constant.Value }
	// structValue contains the fields that are not zero.
	structValue struct {
		t      types.Type
		fields map[string]element
	}
	// pointerValue points to a value that the program never changes.
	pointerValue struct{ to value }
	// listValue is an array, a slice, or a map. The keys of elems are those of
	// keyText.
	listValue struct {
		elems  map[string]element
		zero   types.Type // type of an element that is missing in a map
		isMap  bool
		broken *unknown // a key that is not known
	}
	timeValue struct{ time.Time }
	zoneValue struct{ *time.Location }
	nilValue  struct{}
	// unknown is a value that only a run of the program can determine.
	unknown struct {
		pos   token.Pos
		why   string // predicate about the expression at pos: "is …"
		param bool   // the expression is a function's parameter
	}
)

// element is a part of a value, and its position.
type element struct {
	pos token.Pos
	value
}

// zeroOf returns the zero value of a type.
func zeroOf(t types.Type, at token.Pos) value {
	if isTime(t) {
		return timeValue{}
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		switch {
		case u.Info()&types.IsString != 0:
			return constantValue{constant.MakeString("")}
		case u.Info()&types.IsNumeric != 0:
			return constantValue{constant.MakeInt64(0)}
		case u.Info()&types.IsBoolean != 0:
			return constantValue{constant.MakeBool(false)}
		}
	case *types.Struct:
		return structValue{t: t, fields: map[string]element{}}
	case *types.Array:
		return listValue{elems: map[string]element{}, zero: u.Elem()}
	case *types.Pointer, *types.Map, *types.Slice, *types.Interface, *types.Signature, *types.Chan:
		return nilValue{}
	}
	return unknown{pos: at, why: "is known only when the program runs"}
}

func isTime(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Name() == "Time" && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == "time"
}

// literal returns the value of a composite literal.
func (r *reader) literal(p *pkg, lit *ast.CompositeLit) value {
	t := p.info.TypeOf(lit)
	if ptr, ok := t.Underlying().(*types.Pointer); ok { // &T is implied inside another literal
		return pointerValue{r.literalOf(p, lit, ptr.Elem())}
	}
	return r.literalOf(p, lit, t)
}

func (r *reader) literalOf(p *pkg, lit *ast.CompositeLit, t types.Type) value {
	if isTime(t) {
		return timeValue{} // its fields are unexported
	}
	switch u := t.Underlying().(type) {
	case *types.Struct:
		s := structValue{t, map[string]element{}}
		for i, e := range lit.Elts {
			name, e := u.Field(min(i, u.NumFields()-1)).Name(), e
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				name, e = kv.Key.(*ast.Ident).Name, kv.Value
			}
			s.fields[name] = element{e.Pos(), r.eval(p, e)}
		}
		return s
	case *types.Map:
		list := listValue{elems: map[string]element{}, zero: u.Elem(), isMap: true}
		for _, e := range lit.Elts {
			kv, ok := e.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			switch key := r.eval(p, kv.Key).(type) {
			case constantValue:
				list.elems[keyText(key)] = element{kv.Value.Pos(), r.eval(p, kv.Value)}
			case unknown:
				list.broken = &key
			default:
				list.broken = &unknown{pos: kv.Key.Pos(), why: "is known only when the program runs"}
			}
		}
		return list
	case *types.Slice:
		return r.list(p, lit, u.Elem())
	case *types.Array:
		return r.list(p, lit, u.Elem())
	}
	return unknown{pos: lit.Pos(), why: "is known only when the program runs"}
}

func (r *reader) list(p *pkg, lit *ast.CompositeLit, elem types.Type) value {
	list := listValue{elems: map[string]element{}, zero: elem}
	next := int64(0)
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok { // the index is a constant
			next, _ = constant.Int64Val(constant.ToInt(p.info.Types[kv.Key].Value))
			e = kv.Value
		}
		list.elems[keyText(constantValue{constant.MakeInt64(next)})] = element{e.Pos(), r.eval(p, e)}
		next++
	}
	return list
}

// keyText returns the key of an element: a string verbatim, a number in digits.
func keyText(c constantValue) string {
	if c.Kind() == constant.String {
		return constant.StringVal(c.Value)
	}
	return c.ExactString()
}
