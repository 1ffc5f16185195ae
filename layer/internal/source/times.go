package source

import (
	"go/ast"
	"go/constant"
	"go/types"
	"time"
)

// timeCall returns the value of a call of package time that makes an instant
// from constants. ok is false for any other function.
func (r *reader) timeCall(p *pkg, e *ast.CallExpr, args []value) (got value, ok bool) {
	selector, is := ast.Unparen(e.Fun).(*ast.SelectorExpr)
	var callee types.Object
	if is {
		callee = p.info.Uses[selector.Sel]
	} else if name, is := ast.Unparen(e.Fun).(*ast.Ident); is { // a dot import
		callee = p.info.Uses[name]
	}
	f, is := callee.(*types.Func)
	if !is || f.Pkg() == nil || f.Pkg().Path() != "time" {
		return nil, false
	}
	for _, arg := range args {
		if u, is := arg.(unknown); is {
			return u, true
		}
	}
	if f.Signature().Recv() == nil {
		return timeFunction(f.Name(), args)
	}
	on := r.eval(p, selector.X)
	if u, is := on.(unknown); is {
		return u, true
	}
	t, is := on.(timeValue)
	if !is {
		return nil, false
	}
	n, is := whole(args)
	switch {
	case !is:
	case f.Name() == "UTC" && len(n) == 0:
		return timeValue{t.UTC()}, true
	case f.Name() == "Add" && len(n) == 1:
		return timeValue{t.Add(time.Duration(n[0]))}, true
	case f.Name() == "AddDate" && len(n) == 3:
		return timeValue{t.AddDate(int(n[0]), int(n[1]), int(n[2]))}, true
	}
	return nil, false
}

func timeFunction(name string, args []value) (got value, ok bool) {
	switch {
	case name == "Date" && len(args) == 8:
		zone, is := args[7].(zoneValue)
		n, numbers := whole(args[:7])
		if !is || !numbers {
			return nil, false
		}
		return timeValue{time.Date(int(n[0]), time.Month(n[1]), int(n[2]), int(n[3]), int(n[4]), int(n[5]), int(n[6]),
			zone.Location)}, true
	case name == "FixedZone" && len(args) == 2:
		n, is := whole(args[1:])
		if !is {
			return nil, false
		}
		return zoneValue{time.FixedZone("", int(n[0]))}, true
	}
	return nil, false
}

// whole returns the arguments as integers. ok is false if one is not an
// integer.
func whole(args []value) (n []int64, ok bool) {
	for _, arg := range args {
		c, is := arg.(constantValue)
		if !is {
			return nil, false
		}
		i, exact := constant.Int64Val(constant.ToInt(c.Value))
		if !exact {
			return nil, false
		}
		n = append(n, i)
	}
	return n, true
}
