package vet

import (
	"go/ast"
	"go/constant"
	"go/types"

	"golang.org/x/tools/go/types/typeutil"
)

// returned returns the knowledge about the first result of a function of this
// package, for any arguments. There is none unless every return gives a value:
// a function that returns part of a text in one case returns no value.
func (c *checker) returned(call *ast.CallExpr) fact {
	f, ok := typeutil.Callee(c.TypesInfo, &ast.CallExpr{Fun: c.called(call)}).(*types.Func)
	if !ok {
		return fact{}
	}
	return c.returnedBy(f.Origin())
}

func (c *checker) returnedBy(f types.Object) fact {
	d := c.bodies[f]
	if got, known := c.results[f]; known || d == nil || d.Type.Results == nil || c.finding[f] {
		return got
	}
	c.finding[f] = true
	in := &function{checker: c, vars: map[types.Object]fact{}, quiet: true}
	in.walk(d)
	got := in.result()
	if c.readsOthers(d) {
		got.current = false
	}
	c.results[f] = got
	delete(c.finding, f)
	return got
}

// result joins the results of the returns of a function.
func (f *function) result() (got fact) {
	for _, one := range f.returns {
		if one.kind == nothing || got.kind != nothing && got.kind != one.kind {
			return fact{}
		}
		if got.kind == nothing {
			got = one
		}
		got.current = got.current && one.current
	}
	return got
}

// collect records the first result of a return. A constant, nil and the result
// beside an error need not be a value.
func (f *function) collect(n *ast.ReturnStmt, stack []ast.Node) {
	var of *ast.FuncType
	for _, n := range stack {
		switch n := n.(type) {
		case *ast.FuncDecl:
			of = n.Type
		case *ast.FuncLit:
			return // a return of another function
		}
	}
	results := n.Results
	if len(results) == 0 && of.Results != nil { // named results
		for _, field := range of.Results.List {
			for _, name := range field.Names {
				results = append(results, name)
			}
		}
	}
	if len(results) == 0 {
		return
	}
	first, last := results[0], results[len(results)-1]
	got := f.eval(first)
	failed := len(results) > 1 && isErrorOrBool(f.TypesInfo.TypeOf(last)) && !f.succeeds(last)
	if got.kind != nothing || !failed && !f.isZero(first) && !f.recurs(first) {
		f.returns = append(f.returns, got)
	}
}

// succeeds reports whether an expression is nil or true.
func (f *function) succeeds(e ast.Expr) bool {
	tv := f.TypesInfo.Types[e]
	return tv.IsNil() || tv.Value != nil && tv.Value.Kind() == constant.Bool && constant.BoolVal(tv.Value)
}

// isZero reports whether an expression is a constant, nil or an empty literal.
func (f *function) isZero(e ast.Expr) bool {
	tv := f.TypesInfo.Types[e]
	literal, ok := ast.Unparen(e).(*ast.CompositeLit)
	return tv.IsNil() || tv.Value != nil || ok && len(literal.Elts) == 0
}

// recurs reports whether an expression calls a function whose result is not
// known yet, while its returns are being read.
func (f *function) recurs(e ast.Expr) bool {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return false
	}
	of := f.functionNamed(call.Fun)
	return of != nil && f.finding[of.Origin()]
}
