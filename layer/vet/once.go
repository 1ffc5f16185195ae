package vet

import (
	"go/ast"
	"go/types"
	"slices"
)

// use is one reference to a function of the package.
type use struct {
	called bool // on the spot, and not passed on as a value
	once   bool // passed to sync.Once
	stack  []ast.Node
}

// findUses collects the references to the package's functions.
func (c *checker) findUses() {
	c.uses, c.once = map[types.Object][]use{}, map[types.Object]bool{}
	c.bodies = map[types.Object]*ast.FuncDecl{}
	for _, file := range c.files {
		ast.PreorderStack(file, nil, func(n ast.Node, stack []ast.Node) bool {
			if d, ok := n.(*ast.FuncDecl); ok {
				c.bodies[c.TypesInfo.Defs[d.Name]] = d
			}
			name, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			if f, ok := c.TypesInfo.Uses[name].(*types.Func); ok && f.Pkg() == c.Pkg {
				call, called := stack[len(stack)-1].(*ast.CallExpr)
				c.uses[f] = append(c.uses[f], use{called && call.Fun == name, called && c.callee(call).is("sync", "Once", "Do"),
					slices.Clone(stack)})
			}
			return true
		})
	}
}

// runsOnce reports whether the code inside these nodes runs once: in init, in
// main, in a function that only such code calls, or in a function for
// sync.Once; and not in a loop.
func (c *checker) runsOnce(stack []ast.Node) bool {
	once := false
	for i, n := range stack {
		switch n := n.(type) {
		case *ast.FuncDecl:
			once = c.calledOnlyOnce(n)
		case *ast.ForStmt, *ast.RangeStmt:
			once = false
		case *ast.FuncLit:
			once = c.calledOnce(n, stack[:i], "Do") || once && c.calledOnce(n, stack[:i])
		}
	}
	return once
}

// calledOnlyOnce reports whether a function is init or main, or is called by
// such functions alone. Another package may call an exported function.
func (c *checker) calledOnlyOnce(d *ast.FuncDecl) bool {
	program := c.Pkg.Name() == "main"
	switch {
	case d.Recv != nil:
		return false
	case d.Name.Name == "init" || d.Name.Name == "main" && program:
		return true
	case d.Name.IsExported() && !program:
		return false
	}
	obj := c.TypesInfo.Defs[d.Name]
	if once, known := c.once[obj]; known {
		return once
	}
	c.once[obj] = false // while it is being found out: a recursive function runs more than once
	once := len(c.uses[obj]) > 0 && !slices.ContainsFunc(c.uses[obj], func(u use) bool {
		return !u.once && !(u.called && c.runsOnce(u.stack))
	})
	c.once[obj] = once
	return once
}

// calledOnce reports whether a function literal is called on the spot, or
// passed to one of the named functions of package sync.
func (c *checker) calledOnce(lit *ast.FuncLit, stack []ast.Node, functions ...string) bool {
	if len(stack) == 0 {
		return false
	}
	call, ok := stack[len(stack)-1].(*ast.CallExpr)
	if !ok {
		return false
	}
	if call.Fun == lit {
		return true
	}
	n := c.callee(call)
	return n.pkg == "sync" && slices.Contains(functions, n.name)
}
