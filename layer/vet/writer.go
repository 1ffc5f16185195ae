package vet

import (
	"go/ast"
	"go/types"
	"slices"
)

// isOutput reports whether a writer is one that people read.
func (f *function) isOutput(w ast.Expr) bool {
	if f.eval(w).kind == output {
		return true
	}
	t := f.TypesInfo.TypeOf(w)
	if t == nil {
		return false
	}
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Name() == "ResponseWriter" && named.Obj().Pkg().Path() == "net/http"
}

// isStandardOutput reports whether a selector is os.Stdout or os.Stderr.
func (f *function) isStandardOutput(w *ast.SelectorExpr) bool {
	obj := f.TypesInfo.Uses[w.Sel]
	return obj != nil && obj.Pkg() != nil && obj.Pkg().Path() == "os" && (obj.Name() == "Stdout" || obj.Name() == "Stderr")
}

// outputs are functions that return the output.
var outputs = map[name]bool{{"log", "", "Writer"}: true, {"log", "Logger", "Writer"}: true,
	{"flag", "", "Output"}: true, {"flag", "FlagSet", "Output"}: true}

// around are functions that return a writer around their arguments.
var around = map[name]bool{{"bufio", "", "NewWriter"}: true, {"bufio", "", "NewWriterSize"}: true,
	{"text/tabwriter", "", "NewWriter"}: true, {"io", "", "MultiWriter"}: true}

// writes reports whether a call returns a writer that people read.
func (f *function) writes(call *ast.CallExpr, n name) bool {
	return outputs[n] || around[n] && slices.ContainsFunc(call.Args, f.isOutput)
}

// isBuffer reports whether a method is one of a buffer.
func (n name) isBuffer() bool {
	return n.pkg == "strings" && n.recv == "Builder" || n.pkg == "bytes" && n.recv == "Buffer"
}

// buffered returns the knowledge about the text of a buffer that a call makes or
// reads.
func (f *function) buffered(call *ast.CallExpr, n name) fact {
	switch {
	case n.is("bytes", "", "NewBuffer"), n.is("bytes", "", "NewBufferString"):
		return joined(f.args(call)...)
	case n.isBuffer() && (n.name == "String" || n.name == "Bytes"):
		return joined(f.receiver(call))
	}
	return fact{}
}

// write handles a call that changes a buffer.
func (f *function) write(call *ast.CallExpr) {
	n := f.callee(call)
	s, isMethod := f.called(call).(*ast.SelectorExpr)
	switch {
	case n.isBuffer() && n.name == "Reset" && isMethod:
		f.change(s.X, fact{})
	case n.isBuffer() && (n.name == "Write" || n.name == "WriteString") && isMethod:
		f.extend(s.X, f.args(call))
	case n.pkg == "fmt" && (n.name == "Fprint" || n.name == "Fprintf" || n.name == "Fprintln"):
		to := ast.Unparen(call.Args[0])
		if address, ok := to.(*ast.UnaryExpr); ok {
			to = address.X
		}
		if isBufferType(f.TypesInfo.TypeOf(to)) {
			f.extend(to, f.printed(call)[1:])
		}
	}
}

// extend adds texts to a buffer.
func (f *function) extend(buffer ast.Expr, texts []fact) {
	if got := joined(texts...); got.kind == text {
		f.change(buffer, got)
	}
}

// isBufferType reports whether a type is a buffer or a pointer to one.
func isBufferType(t types.Type) bool {
	if ptr, ok := types.Unalias(t).(*types.Pointer); ok {
		t = ptr.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Pkg() != nil && name{pkg: named.Obj().Pkg().Path(), recv: named.Obj().Name()}.isBuffer()
}
