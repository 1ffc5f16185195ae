package vet

import "go/ast"

// checkDropped reports a lazy read that is never finished.
func (f *function) checkDropped(e ast.Expr) {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return
	}
	n := f.callee(call)
	if n.isRef() || n.isRefMethod() && isLibraryType(f.TypesInfo.TypeOf(call), "Ref") { // an interface with such a method
		f.report(call.Pos(), "dropped", "the result of %s is dropped: it reads nothing by itself; finish the read with Get, "+
			"Text, Bytes or JSON and check its error, or delete the call", n.name)
	}
}
