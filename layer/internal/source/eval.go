package source

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"time"
)

const atRun = "is known only when the program runs"

// eval returns the value of an expression without running the program, or
// unknown.
func (r *reader) eval(p *pkg, e ast.Expr) value {
	if tv := p.info.Types[e]; tv.Value != nil {
		return constantValue{tv.Value}
	} else if tv.IsNil() {
		return nilValue{}
	}
	switch e := e.(type) {
	case *ast.ParenExpr:
		return r.eval(p, e.X)
	case *ast.Ident:
		if v, ok := p.info.ObjectOf(e).(*types.Var); ok {
			return r.variable(v, e.Pos())
		}
	case *ast.SelectorExpr:
		if s := p.info.Selections[e]; s != nil {
			return r.field(p, e, s)
		}
		if v, ok := p.info.Uses[e.Sel].(*types.Var); ok {
			return r.variable(v, e.Pos())
		}
	case *ast.CompositeLit:
		return r.literal(p, e)
	case *ast.UnaryExpr:
		return r.unary(p, e)
	case *ast.BinaryExpr:
		return r.binary(p, e)
	case *ast.StarExpr:
		switch x := r.eval(p, e.X).(type) {
		case pointerValue:
			return x.to
		case unknown:
			return x
		}
	case *ast.IndexExpr:
		return r.index(p, e)
	case *ast.CallExpr:
		return r.call(p, e)
	}
	return unknown{pos: e.Pos(), why: atRun}
}

// variable returns the value of a variable that only its definition sets.
func (r *reader) variable(v *types.Var, at token.Pos) value {
	key := keyOf(v)
	if key.pkg == "time" && key.name == "UTC" {
		return zoneValue{time.UTC}
	}
	if key.pkg == "time" && key.name == "Local" {
		return unknown{pos: at, why: "depends on the machine's time zone (use time.UTC)"}
	}
	if key.pkg != "" {
		r.need(key.pkg)
	}
	d, ok := r.vars.defined[key]
	switch {
	case !ok || d.how == oneOfMany:
		return unknown{pos: at, why: atRun}
	case d.how == parameter:
		return unknown{pos: at, why: "comes in " + v.Name() + ", which is known only when the function around it is called",
			param: true}
	case d.how == loop:
		return unknown{pos: at, why: "comes in " + v.Name() + ", which a loop sets"}
	case r.vars.changed[key].IsValid():
		return unknown{pos: at, why: "comes in " + v.Name() + ", which may be changed at " + r.at(r.vars.changed[key])}
	case d.init == nil:
		return zeroOf(v.Type(), at)
	case r.busy[key]:
		return unknown{pos: at, why: atRun}
	}
	r.busy[key] = true
	defer delete(r.busy, key)
	return r.shared(r.eval(d.pkg, d.init), v.Name(), at)
}

// shared returns a value that was read from a variable. Other code may have
// changed the data that it refers to; it is then unknown.
func (r *reader) shared(got value, name string, at token.Pos) value {
	handle := func(changed token.Pos) value {
		return unknown{pos: at, why: "comes in " + name + ", which may be changed at " + r.at(changed)}
	}
	switch got := got.(type) {
	case pointerValue:
		if s, ok := got.to.(structValue); ok && isNamed(s.t, "Rotation") && r.vars.rotation.IsValid() {
			return handle(r.vars.rotation)
		}
	case listValue:
		if got.isMap && r.vars.params.IsValid() {
			return handle(r.vars.params)
		}
	case structValue:
		for field, e := range got.fields {
			got.fields[field] = element{e.pos, r.shared(e.value, name, at)}
		}
	}
	return got
}

// field follows a selector, through embedded structs and pointers.
func (r *reader) field(p *pkg, e *ast.SelectorExpr, s *types.Selection) value {
	if s.Kind() != types.FieldVal {
		return unknown{pos: e.Pos(), why: atRun}
	}
	got, t := r.eval(p, e.X), s.Recv()
	for _, i := range s.Index() {
		if ptr, ok := got.(pointerValue); ok {
			got = ptr.to
		}
		if ptr, ok := t.Underlying().(*types.Pointer); ok {
			t = ptr.Elem()
		}
		of, ok := t.Underlying().(*types.Struct)
		if !ok {
			return unknown{pos: e.Pos(), why: atRun}
		}
		field := of.Field(i)
		switch x := got.(type) {
		case structValue:
			if part, ok := x.fields[field.Name()]; ok {
				got = part.value
			} else {
				got = zeroOf(field.Type(), e.Pos())
			}
		case unknown:
			return x
		default:
			return unknown{pos: e.Pos(), why: atRun}
		}
		t = field.Type()
	}
	return got
}

func (r *reader) index(p *pkg, e *ast.IndexExpr) value {
	of, at := r.eval(p, e.X), r.eval(p, e.Index)
	list, ok := of.(listValue)
	key, known := at.(constantValue)
	switch {
	case !ok:
		return orUnknown(of, e)
	case !known:
		return orUnknown(at, e)
	case list.broken != nil:
		return *list.broken
	}
	if part, ok := list.elems[keyText(key)]; ok {
		return part.value
	}
	return zeroOf(list.zero, e.Pos()) // beyond a list, the program would panic here
}

// orUnknown returns v if it is unknown. Otherwise the operand has an unexpected
// kind, and the result is a new unknown.
func orUnknown(v value, e ast.Expr) value {
	if u, ok := v.(unknown); ok {
		return u
	}
	return unknown{pos: e.Pos(), why: atRun}
}

func (r *reader) unary(p *pkg, e *ast.UnaryExpr) value {
	x := r.eval(p, e.X)
	if u, ok := x.(unknown); ok {
		return u
	}
	if e.Op == token.AND {
		if _, literal := ast.Unparen(e.X).(*ast.CompositeLit); literal {
			return pointerValue{x}
		}
		return r.shared(pointerValue{x}, "a variable", e.Pos())
	}
	c, ok := x.(constantValue)
	if !ok || e.Op != token.SUB && e.Op != token.ADD {
		return unknown{pos: e.Pos(), why: atRun}
	}
	return within(constant.UnaryOp(e.Op, c.Value, 0), p.info.TypeOf(e), e)
}

// binary evaluates an operator as the program would at run time.
func (r *reader) binary(p *pkg, e *ast.BinaryExpr) value {
	left, right := r.eval(p, e.X), r.eval(p, e.Y)
	x, ok := left.(constantValue)
	if !ok {
		return orUnknown(left, e)
	}
	y, ok := right.(constantValue)
	if !ok {
		return orUnknown(right, e)
	}
	t := p.info.TypeOf(e)
	basic, ok := t.Underlying().(*types.Basic)
	if !ok || basic.Info()&(types.IsString|types.IsInteger) == 0 || x.Kind() != y.Kind() {
		return unknown{pos: e.Pos(), why: atRun}
	}
	op := e.Op
	switch op {
	case token.ADD, token.SUB, token.MUL:
	case token.QUO, token.REM:
		if constant.Sign(y.Value) == 0 {
			return unknown{pos: e.Pos(), why: atRun}
		}
		if op == token.QUO {
			op = token.QUO_ASSIGN // integer division
		}
	default:
		return unknown{pos: e.Pos(), why: atRun}
	}
	return within(constant.BinaryOp(x.Value, op, y.Value), t, e)
}

// within returns unknown for a number that does not fit its type: a wrap-around
// is never intended.
func within(c constant.Value, t types.Type, e ast.Expr) value {
	basic, ok := t.Underlying().(*types.Basic)
	if !ok {
		return unknown{pos: e.Pos(), why: atRun}
	}
	if basic.Info()&types.IsString != 0 && c.Kind() == constant.String {
		return constantValue{c}
	}
	if basic.Info()&types.IsInteger == 0 || c.Kind() != constant.Int {
		return unknown{pos: e.Pos(), why: atRun}
	}
	bits, signed := types.SizesFor("gc", "amd64").Sizeof(basic)*8, basic.Info()&types.IsUnsigned == 0
	if signed {
		bits--
	}
	if !signed && constant.Sign(c) < 0 || constant.BitLen(c) > int(bits) {
		return unknown{pos: e.Pos(), why: "does not fit its type"}
	}
	return constantValue{c}
}

// call returns the value of a conversion, of new, or of a function of package
// time.
func (r *reader) call(p *pkg, e *ast.CallExpr) value {
	if tv := p.info.Types[e.Fun]; tv.IsType() && len(e.Args) == 1 {
		return r.convert(p, e, tv.Type)
	} else if tv.IsBuiltin() {
		if name, ok := ast.Unparen(e.Fun).(*ast.Ident); ok && name.Name == "new" && len(e.Args) == 1 {
			if arg := p.info.Types[e.Args[0]]; arg.IsType() {
				return pointerValue{zeroOf(arg.Type, e.Pos())}
			}
			if x := r.eval(p, e.Args[0]); !isUnknown(x) {
				return pointerValue{x}
			} else {
				return x
			}
		}
		return unknown{pos: e.Pos(), why: atRun}
	}
	var args []value
	for _, arg := range e.Args {
		args = append(args, r.eval(p, arg))
	}
	if got, ok := r.timeCall(p, e, args); ok {
		return got
	}
	return unknown{pos: e.Pos(), why: "is the result of a call, which is known only when the program runs"}
}

func isUnknown(v value) bool {
	_, ok := v.(unknown)
	return ok
}

func (r *reader) convert(p *pkg, e *ast.CallExpr, to types.Type) value {
	x := r.eval(p, e.Args[0])
	switch x := x.(type) {
	case constantValue:
		from, ok := p.info.TypeOf(e.Args[0]).Underlying().(*types.Basic)
		target, is := to.Underlying().(*types.Basic)
		if !ok || !is || from.Info()&types.IsString != target.Info()&types.IsString {
			return unknown{pos: e.Pos(), why: atRun}
		}
		return within(x.Value, to, e)
	case structValue:
		if _, ok := to.Underlying().(*types.Struct); ok {
			return structValue{to, x.fields}
		}
	case unknown, nilValue, listValue, pointerValue:
		return x
	}
	return unknown{pos: e.Pos(), why: atRun}
}
