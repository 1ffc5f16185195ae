package vet

import (
	"go/ast"
	"go/constant"
	"go/token"
)

const equalAdvice = "the time that this takes depends on the value; use Version.Equal, for each version of Active"

// checkEqual reports == and != on a value, and on two Versions.
func (f *function) checkEqual(e *ast.BinaryExpr) {
	if e.Op != token.EQL && e.Op != token.NEQ {
		return
	}
	if f.comparesValue(e.X, e.Y) {
		f.report(e.OpPos, "equal", "a value is compared with %s: %s", e.Op, equalAdvice)
		return
	}
	if f.isVersion(e.X) && f.isVersion(e.Y) && !isLiteral(e.X) && !isLiteral(e.Y) {
		f.report(e.OpPos, "equal", "two Versions are compared with %s, which is about the documents that they were read "+
			"from; compare their IDs, or use Version.Equal with the other one's text", e.Op)
	}
}

func (f *function) isVersion(e ast.Expr) bool {
	t := f.TypesInfo.TypeOf(e)
	return t != nil && isLibraryType(t, "Version")
}

func isLiteral(e ast.Expr) bool {
	_, ok := ast.Unparen(e).(*ast.CompositeLit)
	return ok
}

// comparesValue reports whether exactly one of two operands is a value, and the
// other is more than the empty text.
func (f *function) comparesValue(x, y ast.Expr) bool {
	one, other := f.eval(x).kind == text, f.eval(y).kind == text
	return one != other && !(one && f.isEmpty(y)) && !(other && f.isEmpty(x))
}

func (f *function) isEmpty(e ast.Expr) bool {
	tv := f.TypesInfo.Types[e]
	return tv.IsNil() || tv.Value != nil && tv.Value.Kind() == constant.String && constant.StringVal(tv.Value) == ""
}

// checkSwitch reports a switch on a value.
func (f *function) checkSwitch(n *ast.SwitchStmt) {
	if n.Tag == nil {
		return
	}
	for _, clause := range n.Body.List {
		clause, ok := clause.(*ast.CaseClause)
		if !ok {
			continue
		}
		for _, e := range clause.List {
			if f.comparesValue(n.Tag, e) {
				f.report(n.Tag.Pos(), "equal", "a value is compared by switch: %s", equalAdvice)
				return
			}
		}
	}
}

// comparers are the functions that compare like ==.
var comparers = map[name]bool{{"bytes", "", "Equal"}: true, {"bytes", "", "Compare"}: true,
	{"bytes", "", "EqualFold"}: true, {"strings", "", "Compare"}: true, {"strings", "", "EqualFold"}: true,
	{"cmp", "", "Compare"}: true, {"slices", "", "Equal"}: true, {"slices", "", "Compare"}: true,
	{"reflect", "", "DeepEqual"}: true}

// searchers compare each element of a list like ==.
var searchers = map[name]bool{{"slices", "", "Contains"}: true, {"slices", "", "Index"}: true}

// checkEqualCall reports a value in a function that compares like ==.
func (f *function) checkEqualCall(call *ast.CallExpr) {
	if len(call.Args) != 2 {
		return
	}
	n := f.callee(call)
	searches := searchers[n] && f.eval(call.Args[0]).shows() && f.eval(call.Args[1]).kind != text
	if comparers[n] && f.comparesValue(call.Args[0], call.Args[1]) || searches {
		f.report(call.Pos(), "equal", "a value is compared with %s.%s: %s", n.pkg, n.name, equalAdvice)
	}
}
