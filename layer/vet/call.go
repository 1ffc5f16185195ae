package vet

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// name is the name of a function or method. The package of a builtin is empty.
type name struct{ pkg, recv, name string }

func (n name) is(pkg, recv, name string) bool {
	return n.pkg == pkg && n.recv == recv && n.name == name
}

// callee returns the name of the called function, if it is known.
func (c *checker) callee(call *ast.CallExpr) name {
	switch obj := typeutil.Callee(c.TypesInfo, &ast.CallExpr{Fun: c.called(call)}).(type) {
	case *types.Builtin:
		return name{name: obj.Name()}
	case *types.Func:
		return nameOf(obj)
	}
	return name{pkg: "?"}
}

func nameOf(f *types.Func) name {
	n := name{pkg: "error", name: f.Name()} // the method of the type error has no package
	if f.Pkg() != nil {
		n.pkg = f.Pkg().Path()
	}
	if recv := f.Signature().Recv(); recv != nil {
		n.recv = typeName(recv.Type())
	}
	return n
}

// typeName returns the name of a named type or of a pointer to one.
func typeName(t types.Type) string {
	if ptr, ok := types.Unalias(t).(*types.Pointer); ok {
		t = ptr.Elem()
	}
	if named, ok := types.Unalias(t).(*types.Named); ok {
		return named.Obj().Name()
	}
	return "?"
}

// receiver returns the knowledge about the receiver of a method call.
func (f *function) receiver(call *ast.CallExpr) fact {
	if s, ok := f.called(call).(*ast.SelectorExpr); ok {
		return f.eval(s.X)
	}
	return fact{}
}

// isRef reports whether a method of Secret returns a Ref.
func (n name) isRef() bool { return n.pkg == libraryPath && n.recv == "Secret" && n.isRefMethod() }

func (n name) isRefMethod() bool {
	return slices.Contains([]string{"Current", "Version", "At", "ActiveVersion"}, n.name)
}

// call returns the knowledge about the first result of a call.
func (f *function) call(call *ast.CallExpr) fact {
	if tv := f.TypesInfo.Types[call.Fun]; tv.IsType() {
		return f.conversion(call, tv.Type)
	}
	n := f.callee(call)
	switch {
	case n.isRef():
		return fact{kind: lazy, current: n.name == "Current" && !f.isPlain(call)}
	case n.pkg == libraryPath:
		return f.libraryCall(call, n)
	case f.writes(call, n):
		return fact{kind: output}
	case f.isStoreGet(call, n):
		return fact{kind: text}
	case n.pkg == "" && n.name == "append":
		got := joined(f.args(call)...)
		if got.kind == text && !isBytes(f.TypesInfo.TypeOf(call)) {
			got.kind = holder
		}
		return got
	case n.pkg == "":
		return fact{} // another builtin, such as len
	case n.pkg == "fmt" && (strings.HasPrefix(n.name, "Sprint") || strings.HasPrefix(n.name, "Append")):
		return joined(f.printed(call)...)
	}
	if len(call.Args) == 1 && f.isMust(call) {
		return f.eval(call.Args[0])
	}
	for _, got := range []fact{f.buffered(call, n), f.returned(call)} {
		if got.kind != nothing {
			return got
		}
	}
	args := f.args(call)
	var kept []fact
	for _, i := range keepers[n] {
		if i < len(args) {
			kept = append(kept, args[i])
		}
	}
	if got := joined(kept...); got.kind == text {
		return got
	}
	return derivedFrom(append(args, f.receiver(call)))
}

// isMust reports whether a call takes the two results of a read and returns the
// first one, like template.Must.
func (f *function) isMust(call *ast.CallExpr) bool {
	read, ok := f.TypesInfo.TypeOf(call.Args[0]).(*types.Tuple)
	result := f.TypesInfo.TypeOf(call)
	return ok && read.Len() == 2 && result != nil && types.Identical(read.At(0).Type(), result)
}

func (f *function) libraryCall(call *ast.CallExpr, n name) fact {
	from := f.receiver(call)
	switch n.recv + "." + n.name {
	case "Ref.Text", "Ref.Bytes", "Version.Text", "Version.Bytes":
		return fact{kind: text, current: from.current}
	case "Ref.Get":
		return fact{kind: version, current: from.current}
	case "Document.Current":
		return fact{kind: version, current: true}
	case "Document.Encode":
		return fact{kind: text}
	case ".JSON":
		if len(call.Args) == 1 {
			from = f.eval(call.Args[0])
		}
		return fact{kind: holder, current: from.current}
	case "Secret.Load", "Secret.Active", "Secret.ActiveAt":
		return fact{kind: document}
	case "Store.Get", "Memory.Get":
		return fact{kind: text}
	}
	return fact{}
}

// isStoreGet reports whether a call has the form of Store.Get, whose result is
// the stored text.
func (f *function) isStoreGet(call *ast.CallExpr, n name) bool {
	if n.name != "Get" || n.recv == "" || len(call.Args) != 2 {
		return false
	}
	t := f.TypesInfo.TypeOf(call.Args[1])
	results, ok := f.TypesInfo.TypeOf(call).(*types.Tuple)
	return ok && isLibraryType(t, "Address") && results.Len() == 2 &&
		types.Identical(results.At(0).Type(), types.Typ[types.String])
}

func isLibraryType(t types.Type, name string) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Name() == name && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == libraryPath
}

// conversion keeps a text that becomes another type of text.
func (f *function) conversion(call *ast.CallExpr, to types.Type) fact {
	if len(call.Args) != 1 {
		return fact{}
	}
	got := f.eval(call.Args[0])
	if got.kind == text && !isText(to) && !types.IsInterface(to) {
		return fact{}
	}
	return got
}

// isText reports whether a type contains text: a string, or bytes.
func isText(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsString != 0 || isBytes(t)
}

func isBytes(t types.Type) bool {
	var elem types.Type
	switch t := t.Underlying().(type) {
	case *types.Slice:
		elem = t.Elem()
	case *types.Array:
		elem = t.Elem()
	default:
		return false
	}
	basic, ok := elem.Underlying().(*types.Basic)
	return ok && (basic.Kind() == types.Uint8 || basic.Kind() == types.Int32)
}

func (f *function) args(call *ast.CallExpr) (list []fact) {
	for _, arg := range call.Args {
		list = append(list, f.eval(arg))
	}
	return list
}

// printed returns the arguments as fmt prints them.
func (f *function) printed(call *ast.CallExpr) (list []fact) {
	for _, arg := range call.Args {
		list = append(list, f.held(f.TypesInfo.TypeOf(arg), f.eval(arg)))
	}
	return list
}

// keepers are the functions whose result contains a text that is passed to
// them, with the indexes of these arguments. Functions that cut a text into
// parts are not in the list: a part may be a user's name.
var keepers = func() map[name][]int {
	list := map[name][]int{{"strconv", "", "Quote"}: {0}, {"net/url", "", "QueryEscape"}: {0},
		{"net/url", "", "PathEscape"}: {0}, {"encoding/hex", "", "EncodeToString"}: {0}, {"cmp", "", "Or"}: {0, 1, 2},
		{"encoding/base64", "Encoding", "EncodeToString"}: {0}}
	for _, pkg := range []string{"strings", "bytes"} {
		for _, f := range []string{"TrimSpace", "Trim", "TrimLeft", "TrimRight", "TrimPrefix", "TrimSuffix", "TrimFunc",
			"ToUpper", "ToLower", "ToValidUTF8", "Clone", "Join"} {
			list[name{pkg, "", f}] = []int{0}
		}
		for _, f := range []string{"Replace", "ReplaceAll"} {
			list[name{pkg, "", f}] = []int{0, 2}
		}
	}
	return list
}()

// derivedFrom returns the result of a function with these arguments and
// receiver: a MAC or a digest, if an argument is a text.
func derivedFrom(parts []fact) (got fact) {
	for _, one := range parts {
		if one.kind == text || one.kind == derived {
			got.kind, got.current = derived, got.current || one.current
		}
	}
	return got
}
