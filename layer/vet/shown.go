package vet

import (
	"go/ast"
	"go/constant"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// checkShown reports a value that is passed to a function which prints it, or
// puts it into an error.
func (f *function) checkShown(call *ast.CallExpr) {
	n := f.callee(call)
	if !f.shows(call, n) {
		return
	}
	for i, arg := range call.Args {
		if got := f.held(f.TypesInfo.TypeOf(arg), f.eval(arg)); got.shows() && !f.onlyType(call, i) {
			f.report(arg.Pos(), "shown", "a value of a secret is passed to %s, which shows it; show the secret's address or "+
				"the version's ID", n)
			return
		}
	}
}

// String returns the name as code writes it.
func (n name) String() string {
	switch {
	case n.pkg == "":
		return n.name
	case n.recv != "":
		return path.Base(n.pkg) + "." + n.recv + "." + n.name
	}
	return path.Base(n.pkg) + "." + n.name
}

// shows reports whether a function shows its arguments in the output, a log or
// an error. Fprint shows them if the writer is the output, or an HTTP response;
// Sprint only makes a text.
func (f *function) shows(call *ast.CallExpr, n name) bool {
	switch n.pkg {
	case "":
		return slices.Contains([]string{"panic", "print", "println"}, n.name)
	case "fmt":
		if strings.HasPrefix(n.name, "Fprint") {
			return len(call.Args) > 0 && f.isOutput(call.Args[0])
		}
		return n.name == "Errorf" || strings.HasPrefix(n.name, "Print")
	case "log":
		return slices.ContainsFunc([]string{"Print", "Fatal", "Panic", "Output", "SetPrefix"}, func(prefix string) bool {
			return strings.HasPrefix(n.name, prefix)
		})
	case "log/slog":
		return true
	case "errors":
		return n.name == "New"
	case "net/http":
		return n.recv == "" && n.name == "Error"
	}
	return false
}

// onlyType reports whether a format prints the type of its argument i alone.
func (f *function) onlyType(call *ast.CallExpr, i int) bool {
	if n := f.callee(call); n.pkg != "fmt" && n.pkg != "log" || !strings.HasSuffix(n.name, "f") {
		return false
	}
	for at, arg := range call.Args[:i] {
		if v := f.TypesInfo.Types[arg].Value; v != nil && v.Kind() == constant.String {
			verbs := verbsOf(constant.StringVal(v), i-at-1)
			return len(verbs) > 0 && strings.Trim(verbs, "T") == ""
		}
	}
	return false
}

// directive matches a directive of a format: the flags, width and precision,
// and the verb.
var directive = lazyregexp.New(`%([-+# 0-9.*\[\]]*)(\pL|.)?`)

// part matches the parts of a directive that have to do with arguments.
var part = lazyregexp.New(`\*|\[[0-9]+\]`)

// verbsOf returns the verbs with which a format prints an argument.
func verbsOf(format string, i int) (verbs string) {
	next := 0
	for _, d := range directive().FindAllStringSubmatch(format, -1) {
		for _, p := range part().FindAllString(d[1], -1) {
			if p != "*" {
				next, _ = strconv.Atoi(strings.Trim(p, "[]"))
				next--
				continue
			}
			if next == i {
				verbs += "*"
			}
			next++
		}
		if d[2] == "%" {
			continue
		}
		if next == i {
			verbs += d[2]
		}
		next++
	}
	return verbs
}
