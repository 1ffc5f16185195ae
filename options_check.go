package secret

import (
	"maps"
	"reflect"
	"strconv"
	"time"

	"github.com/layeron-hq/secret/internal/binding"
	"github.com/layeron-hq/secret/internal/family"
)

// declaration is the checked Options, with defaults filled in. It never
// changes.
type declaration struct {
	kind Kind
	Options
	addr    Address
	binding string // the declared one, or the one derived from addr
	err     error
	family  *family.Family // shared with the copies that With makes
}

func newDeclaration(kind Kind, o Options) *declaration {
	addr := Address{Namespace: o.Namespace, Name: o.Name}.withDefault()
	if o.Rotation != nil {
		copied := *o.Rotation
		o.Rotation = &copied
	}
	if given := o.Params; given != nil {
		o.Params = make(map[string]string, len(given))
		maps.Copy(o.Params, given)
	}
	d := &declaration{kind: kind, Options: o, addr: addr, binding: addr.Binding(), family: new(family.Family)}
	if d.Binding != "" {
		d.binding = d.Binding
	}
	if faults := d.faults(); len(faults) > 0 {
		d.err = &Error{Op: "declare", Address: addr, Member: faults[0].option,
			Err: because(ErrInvalid, faults.String())}
		return d
	}
	if kind == KindRandom && o.Bytes == 0 {
		d.Bytes = 32
	}
	return d
}

// fault is one broken rule: the option, the given value, the allowed values.
type fault struct {
	_                      uncomparable
	option, given, allowed string
}

type faults []fault

// add is not inlined: at its many calls that would add 1 KB to a Worker.
//
//go:noinline
func (f *faults) add(option, given, allowed string) {
	*f = append(*f, fault{option: option, given: given, allowed: allowed})
}

func (f *faults) addText(option, given, allowed string) { f.add(option, strconv.Quote(given), allowed) }

func (f *faults) addNumber(option string, given int, allowed string) {
	f.add(option, strconv.Itoa(given), allowed)
}

func (f faults) String() string {
	text := ""
	for i, one := range f {
		if i > 0 {
			text += "; "
		}
		text += one.option + " is " + one.given + ", allowed is " + one.allowed
	}
	return text
}

const maxDays = 36_500

func (d *declaration) faults() (f faults) {
	if !validName(d.addr.Namespace) {
		f.addText("Namespace", d.Namespace, nameRule)
	}
	if !validName(d.Name) {
		f.addText("Name", d.Name, nameRule)
	}
	switch {
	case d.kind == KindStatic && d.Bytes != 0:
		f.addNumber("Bytes", d.Bytes, "none on a static secret: the operator supplies its value")
	case d.Bytes != 0 && (d.Bytes < 16 || d.Bytes > 1024):
		f.addNumber("Bytes", d.Bytes, "16 to 1024")
	}
	if d.Encoding > EncodingRaw {
		f.addNumber("Encoding", int(d.Encoding), "EncodingAuto or EncodingRaw")
	}
	if d.Format > FormatCompact {
		f.addNumber("Format", int(d.Format), "FormatAuto, FormatPlain, FormatJSON or FormatCompact")
	}
	if d.kind != KindGenerated && d.Generator != "" {
		f.addText("Generator", d.Generator, "none on a "+d.kind.String()+" secret: only Generated takes one")
	}
	if d.Generator == "" && len(d.Params) > 0 {
		f.add("Params", "set", "none without a Generator")
	}
	if !validSecretName(d.SecretName) {
		f.addText("SecretName", d.SecretName, "letters, digits, - and _")
	}
	if d.Binding != "" && !validBinding(d.Binding) {
		f.addText("Binding", d.Binding, bindingRule)
	}
	if d.Rotation != nil {
		d.rotationFaults(&f)
	}
	return f
}

func (d *declaration) rotationFaults(f *faults) {
	r := d.Rotation
	if d.Format == FormatPlain {
		f.add("Rotation", "set", "none with FormatPlain: a plain value holds a single version")
	}
	if r.EveryDays < 7 || r.EveryDays > maxDays {
		f.addNumber("Rotation.EveryDays", r.EveryDays, "7 to 36500")
	}
	if !r.StartAt.IsZero() && !inRange(r.StartAt) {
		f.add("Rotation.StartAt", r.StartAt.Format(time.RFC3339), "a time from 1970 to 9999, or none")
	}
	switch days := r.Retain.Days; {
	case r.Retain.Mode > RetainForever:
		f.addNumber("Rotation.Retain.Mode", int(r.Retain.Mode), "RetainNone, RetainFor or RetainForever")
	case r.Retain.Mode == RetainFor && (days < 1 || days > maxDays):
		f.addNumber("Rotation.Retain.Days", days, "1 to 36500 with RetainFor")
	case r.Retain.Mode != RetainFor && days != 0:
		f.addNumber("Rotation.Retain.Days", days, "none but with RetainFor")
	}
}

func validSecretName(s string) bool { return binding.Only(s, "-") }

// same reports whether two declarations are equal.
func (d *declaration) same(o *declaration) bool { return d == o || d.difference(o) == "" }

// difference names the first option in which two declarations differ, or "".
func (d *declaration) difference(o *declaration) string {
	switch {
	case d.addr != o.addr:
		return "Name"
	case d.kind != o.kind:
		return "kind, " + d.kind.String() + " and " + o.kind.String()
	case d.Bytes != o.Bytes:
		return "Bytes"
	case d.Encoding != o.Encoding:
		return "Encoding"
	case d.Format != o.Format:
		return "Format"
	case !reflect.DeepEqual(d.Rotation, o.Rotation):
		return "Rotation"
	case d.Generator != o.Generator:
		return "Generator"
	case !reflect.DeepEqual(d.Params, o.Params):
		return "Params"
	case d.SecretName != o.SecretName:
		return "SecretName"
	case d.binding != o.binding:
		return "Binding"
	case d.Optional != o.Optional:
		return "Optional"
	case !sameStore(d.Store, o.Store):
		return "Store"
	}
	return ""
}

// sameStore reports whether two stores are equal, as far as Go can: a type
// without == never is.
func sameStore(a, b Store) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return isComparable(a) && isComparable(b) && a == b
}

// isComparable reports whether == works on s and on the store in it.
func isComparable(s any) bool { return reflect.ValueOf(s).Comparable() }
