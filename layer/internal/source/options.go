package source

import (
	"errors"
	"go/ast"
	"go/constant"
	"go/token"
	"math"
	"strings"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// declaration builds Options from the known parts of a call's argument.
type declaration struct {
	r      *reader
	call   token.Pos
	places map[string]token.Pos // of the given options
	ok     bool                 // no problem was reported so far
}

// declared returns the Options of a call, and the position of each option. ok
// is false if an option is not known; the problem has then been reported.
func (r *reader) declared(p *pkg, constructor string,
	call *ast.CallExpr) (o secret.Options, places map[string]token.Pos, ok bool) {
	d := &declaration{r: r, call: call.Pos(), places: map[string]token.Pos{}, ok: true}
	arg := call.Args[0]
	got := r.eval(p, arg)
	s, is := got.(structValue)
	if !is {
		u := orUnknown(got, arg).(unknown)
		r.unclear(arg.Pos(), "", "the options of secret.%s are not known: the argument %s%s; %s",
			constructor, u.why, d.cause(arg.Pos(), u), u.todo("write secret.Options{…} with constants"))
		return o, nil, false
	}
	d.fields(s, "", map[string]func(string, element){
		"Namespace":  func(at string, e element) { o.Namespace = d.text(at, e) },
		"Name":       func(at string, e element) { o.Name = d.text(at, e) },
		"Bytes":      func(at string, e element) { o.Bytes = d.number(at, e) },
		"Encoding":   func(at string, e element) { o.Encoding = secret.Encoding(d.small(at, e)) },
		"Format":     func(at string, e element) { o.Format = secret.Format(d.small(at, e)) },
		"Rotation":   func(at string, e element) { o.Rotation = d.rotation(at, e) },
		"Generator":  func(at string, e element) { o.Generator = d.text(at, e) },
		"Params":     func(at string, e element) { o.Params = d.texts(at, e) },
		"SecretName": func(at string, e element) { o.SecretName = d.text(at, e) },
		"Binding":    func(at string, e element) { o.Binding = d.text(at, e) },
		"Optional":   func(at string, e element) { o.Optional = d.is(at, e) },
	})
	return o, d.places, d.ok
}

// fields calls the reader of each field of a struct.
func (d *declaration) fields(s structValue, prefix string, readers map[string]func(string, element)) {
	for name, e := range s.fields {
		if prefix == "" && name == "Store" {
			continue // it matters only in the running program
		}
		read, ok := readers[name]
		if !ok {
			d.fail(prefix+name, e, "is an option that this version of layer does not support; use the version of layer that "+
				"go.mod names for "+libraryPath)
			continue
		}
		d.places[prefix+name] = e.pos
		if u, ok := e.value.(unknown); ok {
			d.unknown(prefix+name, e.pos, u)
			continue
		}
		read(prefix+name, e)
	}
}

func (d *declaration) fail(option string, e element, why string) {
	d.ok = false
	d.r.unclear(e.pos, option, "%s %s%s", option, why, d.declaredAt(e.pos))
}

func (d *declaration) unknown(option string, pos token.Pos, u unknown) {
	d.ok = false
	delete(d.places, option)
	d.r.unclear(pos, option, "%s is not a constant: it %s%s; %s%s", option, u.why, d.cause(pos, u),
		u.todo("write a constant"), d.declaredAt(pos))
}

// todo returns the next step for the author.
func (u unknown) todo(otherwise string) string {
	if u.param {
		return "call the constructor with constants, once for each secret, or let the program print App.Spec() and give " +
			"that with --spec"
	}
	return otherwise
}

// cause names the position of the reason, if it is not in the same place.
func (d *declaration) cause(pos token.Pos, u unknown) string {
	if d.near(pos, u.pos) {
		return ""
	}
	return " (" + d.r.at(u.pos) + ")"
}

// declaredAt names the position of the declaration, if the option is elsewhere.
func (d *declaration) declaredAt(pos token.Pos) string {
	if a, b := d.r.position(pos), d.r.position(d.call); a.Filename == b.Filename && a.Line >= b.Line &&
		a.Line-b.Line < 20 {
		return ""
	}
	return " (for the declaration at " + d.r.at(d.call) + ")"
}

func (d *declaration) near(x, y token.Pos) bool {
	a, b := d.r.position(x), d.r.position(y)
	return a.Filename == b.Filename && a.Line == b.Line
}

func (d *declaration) notKnown(option string, e element) {
	d.unknown(option, e.pos, unknown{pos: e.pos, why: atRun})
}

func (d *declaration) text(option string, e element) string {
	c, ok := e.value.(constantValue)
	if !ok || c.Kind() != constant.String {
		d.notKnown(option, e)
		return ""
	}
	return constant.StringVal(c.Value)
}

func (d *declaration) number(option string, e element) int {
	if c, ok := e.value.(constantValue); ok {
		if n, exact := constant.Int64Val(constant.ToInt(c.Value)); exact && n >= math.MinInt && n <= math.MaxInt {
			return int(n)
		}
	}
	d.notKnown(option, e)
	return 0
}

func (d *declaration) is(option string, e element) bool {
	c, ok := e.value.(constantValue)
	if !ok || c.Kind() != constant.Bool {
		d.notKnown(option, e)
		return false
	}
	return constant.BoolVal(c.Value)
}

// small returns one of the constants of package secret, which are all bytes.
func (d *declaration) small(option string, e element) uint8 {
	n := d.number(option, e)
	if n < 0 || n > math.MaxUint8 {
		d.notKnown(option, e)
	}
	return uint8(n)
}

func (d *declaration) texts(option string, e element) map[string]string {
	switch list := e.value.(type) {
	case nilValue:
		return nil
	case listValue:
		if list.broken != nil {
			d.unknown(option, e.pos, *list.broken)
			return nil
		}
		m := make(map[string]string, len(list.elems))
		for key, elem := range list.elems {
			if u, ok := elem.value.(unknown); ok {
				d.unknown(option, elem.pos, u)
				continue
			}
			m[key] = d.text(option, elem)
		}
		return m
	}
	d.notKnown(option, e)
	return nil
}

func (d *declaration) rotation(option string, e element) *secret.Rotation {
	ptr, ok := e.value.(pointerValue)
	if _, none := e.value.(nilValue); none {
		return nil
	}
	s, is := ptr.to.(structValue)
	if !ok || !is {
		d.notKnown(option, e)
		return nil
	}
	rotation := new(secret.Rotation)
	d.fields(s, option+".", map[string]func(string, element){
		"EveryDays": func(at string, e element) { rotation.EveryDays = d.number(at, e) },
		"StartAt": func(at string, e element) {
			t, ok := e.value.(timeValue)
			if !ok {
				d.notKnown(at, e)
			}
			rotation.StartAt = t.Time
		},
		"Retain": func(at string, e element) {
			s, ok := e.value.(structValue)
			if !ok {
				d.notKnown(at, e)
				return
			}
			d.fields(s, at+".", map[string]func(string, element){
				"Mode": func(at string, e element) { rotation.Retain.Mode = secret.RetentionMode(d.small(at, e)) },
				"Days": func(at string, e element) { rotation.Retain.Days = d.number(at, e) },
			})
		},
	})
	return rotation
}

// given matches the text that a declaration's error quotes.
var given = lazyregexp.New(` is "(?:[^"\\]|\\.)*", allowed is `)

// wrong reports a declaration that breaks a rule. It does not repeat the text
// that breaks it, which may be a value in the wrong place.
func (r *reader) wrong(s *secret.Secret, call token.Pos, places map[string]token.Pos) bool {
	var e *secret.Error
	if !errors.As(s.Err(), &e) {
		return false
	}
	pos := call
	if place, ok := places[e.Member]; ok {
		pos = place
	}
	text := given().ReplaceAllString(strings.TrimPrefix(e.Err.Error(), secret.ErrInvalid.Error()+": "),
		" has another form than allowed: ")
	d := declaration{r: r, call: call}
	r.report(pos, e.Member, "%s%s", text, d.declaredAt(pos))
	return true
}
