package vet

import (
	"go/ast"
	"go/token"
	"go/types"
)

// findAliases collects the variables that always hold one function, such as
// logf := log.Printf.
func (c *checker) findAliases() {
	c.aliases = map[types.Object]ast.Expr{}
	given := map[types.Object]int{} // how often each variable may get a value
	give := func(to ast.Expr, values []ast.Expr, i, variables int) {
		name, ok := ast.Unparen(to).(*ast.Ident)
		if !ok {
			return
		}
		obj := c.TypesInfo.ObjectOf(name)
		given[obj]++
		if len(values) == variables && c.functionNamed(values[i]) != nil {
			c.aliases[obj] = ast.Unparen(values[i])
		}
	}
	for _, file := range c.files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if len(n.Values) > 0 {
						give(name, n.Values, i, len(n.Names))
					}
				}
			case *ast.AssignStmt:
				for i, to := range n.Lhs {
					give(to, n.Rhs, i, len(n.Lhs))
				}
			case *ast.RangeStmt:
				give(n.Key, nil, 0, 1)
				give(n.Value, nil, 0, 1)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					give(n.X, nil, 0, 1)
				}
			}
			return true
		})
	}
	for obj, n := range given {
		if n > 1 {
			delete(c.aliases, obj)
		}
	}
}

// functionNamed returns the function or method that an expression names, or
// nil.
func (c *checker) functionNamed(e ast.Expr) *types.Func {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		f, _ := c.TypesInfo.Uses[e].(*types.Func)
		return f
	case *ast.SelectorExpr:
		f, _ := c.TypesInfo.Uses[e.Sel].(*types.Func)
		return f
	}
	return nil
}

// called returns the expression that names the called function. For a variable
// that always holds one function it is that function.
func (c *checker) called(call *ast.CallExpr) ast.Expr {
	fun := ast.Unparen(call.Fun)
	if name, ok := fun.(*ast.Ident); ok {
		if f := c.aliases[c.TypesInfo.Uses[name]]; f != nil {
			return f
		}
	}
	return fun
}
