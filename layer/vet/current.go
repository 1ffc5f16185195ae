package vet

import (
	"go/ast"
	"go/types"
	"slices"
)

const currentAdvice = "it rejects all that was made before a rotation, or by a machine that is ahead; try each " +
	"version of Active, take ActiveVersion of the id beside the data, or use keyring.VerifyHMAC"

// checkCurrent reports a comparison that verifies a signature or a token
// against the current version alone.
func (f *function) checkCurrent(call *ast.CallExpr) {
	n := f.callee(call)
	if f.others {
		return
	}
	against := false
	switch {
	case n.is(libraryPath, "Version", "Equal") && len(call.Args) == 1:
		got := f.receiver(call)
		against = got.kind == version && got.current && !f.isOwn(call.Args[0])
	case keyVerifiers[n] && len(call.Args) > 0:
		key := f.eval(call.Args[0])
		// A program may check the signature that it has just made.
		against = f.isMade(key) && key.current && !slices.ContainsFunc(f.args(call)[1:], f.isMade)
	case verifiers[n] && len(call.Args) == 2:
		x, y := f.eval(call.Args[0]), f.eval(call.Args[1])
		against = f.isMade(x) != f.isMade(y) && (x.current || y.current) &&
			(!comparers[n] || x.kind == derived || y.kind == derived) // the others are findings of the check equal
	}
	if against {
		f.report(call.Pos(), "current", "%s verifies against the current version alone: %s", n, currentAdvice)
	}
}

var verifiers = map[name]bool{{"crypto/hmac", "", "Equal"}: true, {"crypto/subtle", "", "ConstantTimeCompare"}: true,
	{"bytes", "", "Equal"}: true}

// keyVerifiers take the key first.
var keyVerifiers = map[name]bool{{"crypto/ed25519", "", "Verify"}: true,
	{"crypto/ed25519", "", "VerifyWithOptions"}: true,
	{"crypto/ecdsa", "", "Verify"}:              true, {"crypto/ecdsa", "", "VerifyASN1"}: true,
	{"crypto/rsa", "", "VerifyPKCS1v15"}: true, {"crypto/rsa", "", "VerifyPSS"}: true}

// checkKeyFunc reports a function that returns the current version as the key
// for a JWT, regardless of the key that the token names.
func (f *function) checkKeyFunc(n *ast.ReturnStmt, stack []ast.Node) {
	if f.others || len(n.Results) == 0 {
		return
	}
	var of *ast.FuncType
	for _, n := range stack {
		switch n := n.(type) {
		case *ast.FuncDecl:
			of = n.Type
		case *ast.FuncLit:
			of = n.Type
		}
	}
	if got := f.eval(n.Results[0]); !f.isMade(got) || !got.current || of == nil || len(of.Params.List) != 1 {
		return
	}
	ptr, ok := f.TypesInfo.TypeOf(of.Params.List[0].Type).(*types.Pointer)
	if !ok {
		return
	}
	named, ok := types.Unalias(ptr.Elem()).(*types.Named)
	if ok && named.Obj().Name() == "Token" && named.Obj().Pkg().Name() == "jwt" {
		f.report(n.Pos(), "current", "the key of every token is the current version alone: %s", currentAdvice)
	}
}

// isMade reports whether the program itself made a text with a secret.
func (f *function) isMade(x fact) bool { return x.kind == text || x.kind == derived }

// isOwn reports whether an argument comes from the secret itself: the program
// then compares two versions.
func (f *function) isOwn(e ast.Expr) bool { return f.isMade(f.eval(e)) }

// isPlain reports whether the secret of a read never has a second version.
func (f *function) isPlain(call *ast.CallExpr) bool {
	s, ok := f.called(call).(*ast.SelectorExpr)
	return ok && f.plain[f.rootOf(s.X)]
}

// readsOthers reports whether a declaration reads other versions than the
// current one, itself or by functions of this package.
func (c *checker) readsOthers(d ast.Decl) bool {
	if c.readers == nil {
		c.findReaders()
	}
	itself, calls := c.readsItself(d)
	return itself || slices.ContainsFunc(calls, func(f types.Object) bool { return c.readers[f] })
}

// findReaders finds the functions that read other versions, from those that do
// so themselves to their callers. It looks at each body once.
func (c *checker) findReaders() {
	c.readers = map[types.Object]bool{}
	callers := map[types.Object][]types.Object{}
	var found []types.Object
	for f, d := range c.bodies {
		itself, calls := c.readsItself(d)
		if itself {
			found = append(found, f)
		}
		for _, called := range calls {
			callers[called] = append(callers[called], f)
		}
	}
	for len(found) > 0 {
		f := found[0]
		found = found[1:]
		if !c.readers[f] {
			c.readers[f] = true
			found = append(found, callers[f]...)
		}
	}
}

// readsItself returns the functions of this package that a declaration calls, and
// whether it reads other versions itself.
func (c *checker) readsItself(d ast.Decl) (itself bool, calls []types.Object) {
	ast.Inspect(d, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if f := c.functionNamed(c.called(call)); f != nil {
			calls = append(calls, f.Origin())
		}
		to := c.callee(call)
		itself = itself || to.pkg == libraryPath && (to.recv == "Secret" || to.recv == "Document") &&
			slices.Contains([]string{"Active", "ActiveAt", "ActiveVersion", "Version", "At", "All"}, to.name) ||
			to.pkg == libraryPath+"/keyring"
		return true
	})
	return itself, calls
}
