package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParseSpec parses the JSON of a Spec, written by an App, by `layer secret
// spec` or by hand. It builds the graph anew and ignores members that a Spec
// does not have. Namespace may be left out, as in a declaration. A given
// address must fit the names. A missing binding or secretName is derived.
//
// A member that breaks a rule, is null or is given twice is [ErrInvalid]. The
// message and [Error.Member] contain the path of the member, such as
// secrets[2].rotation.everyDays; no text of the spec is quoted. Two secrets
// with one address, or with binding names that are equal or differ only in
// case, are [ErrInvalid] too: the message contains both addresses, and no path.
func ParseSpec(data []byte) (Spec, error) {
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal(data, new(json.RawMessage)), &syntax) {
		return Spec{}, specError("", "not JSON, at byte "+strconv.FormatInt(syntax.Offset, 10))
	}
	if !utf8.Valid(data) {
		return Spec{}, specError("", "not UTF-8") // the decoder would replace it with U+FFFD
	}
	var top specMembers
	if json.Unmarshal(data, &top) != nil {
		return Spec{}, specError("", "not a JSON object")
	}
	var s Spec
	var secrets []json.RawMessage
	if err := top.readAll("", []specMember{
		{"workspace", &s.Workspace, "a string"},
		{"project", &s.Project, "a string"},
		{"environment", &s.Environment, "a string"},
		{"secrets", &secrets, "an array"},
	}); err != nil {
		return Spec{}, err
	}
	if secrets == nil {
		return Spec{}, specError("secrets", "is missing; [] means none")
	}
	s.Secrets = make([]SpecSecret, 0, len(secrets))
	bindings, addresses := map[string]*declaration{}, map[Address]bool{}
	for i, one := range secrets {
		path := "secrets[" + strconv.Itoa(i) + "]"
		d, err := parseSpecSecret(path, one)
		if err != nil {
			return Spec{}, err
		}
		switch other := bindings[lowerCase(d.binding)]; {
		case addresses[d.addr]:
			return Spec{}, specError("", d.addr.String()+" is declared twice; declare it once")
		case other != nil && other.binding == d.binding:
			return Spec{}, specError("", other.addr.String()+" and "+d.addr.String()+" have the same binding name "+d.binding+
				": one would read the other's value; rename one of them")
		case other != nil:
			return Spec{}, specError("", other.addr.String()+" and "+d.addr.String()+" have binding names that differ only in "+
				"case, "+other.binding+" and "+d.binding+": some systems have one file for both; rename one of them")
		}
		bindings[lowerCase(d.binding)], addresses[d.addr] = d, true
		s.Secrets = append(s.Secrets, d.spec(&s))
	}
	s.finish()
	return s, nil
}

func specError(path, why string) error {
	return &Error{Op: "parse spec", Member: path, Err: because(ErrInvalid, why)}
}

// specMembers are the members of one object, decoded one by one, so that a
// fault has a path.
type specMembers struct {
	values map[string]json.RawMessage
	twice  map[string]bool // JSON readers differ on which of the two counts
}

var errShape = errors.New("of another shape")

var _ json.Unmarshaler = (*specMembers)(nil)

// UnmarshalJSON splits an object into its members. data must be valid JSON.
func (m *specMembers) UnmarshalJSON(data []byte) error {
	i := specSpace(data, 0)
	if data[i] != '{' {
		return errShape
	}
	m.values, m.twice = map[string]json.RawMessage{}, nil
	for i = specSpace(data, i+1); data[i] != '}'; {
		end := specValueEnd(data, i)
		name, err := specString(data[i:end])
		if err != nil {
			return err
		}
		i = specSpace(data, specSpace(data, end)+1) // the colon
		end = specValueEnd(data, i)
		if _, known := m.values[name]; known && m.twice == nil {
			m.twice = map[string]bool{name: true}
		} else if known {
			m.twice[name] = true
		}
		m.values[name] = data[i:end:end]
		if i = specSpace(data, end); data[i] == ',' {
			i = specSpace(data, i+1)
		}
	}
	return nil
}

func specSpace(data []byte, i int) int {
	for data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r' {
		i++
	}
	return i
}

// specValueEnd returns the index behind the value that begins at i.
func specValueEnd(data []byte, i int) int {
	for depth := 0; ; i++ {
		switch data[i] {
		case '"':
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default:
			if depth > 0 {
				continue
			}
			for i < len(data) && strings.IndexByte(",]} \t\n\r", data[i]) < 0 {
				i++
			}
			return i
		}
		if depth == 0 {
			return i + 1
		}
	}
}

// specString returns the text of a JSON string.
func specString(data []byte) (text string, err error) {
	if data[0] == '"' && bytes.IndexByte(data, '\\') < 0 {
		return string(data[1 : len(data)-1]), nil
	}
	return text, json.Unmarshal(data, &text)
}

// specParams is a map of strings that does not accept null; encoding/json would
// read null as an empty map.
type specParams map[string]string

var _ json.Unmarshaler = (*specParams)(nil)

// UnmarshalJSON returns an error for a member that is not a string, and for a
// name given twice.
func (p *specParams) UnmarshalJSON(data []byte) error {
	var m specMembers
	if err := m.UnmarshalJSON(data); err != nil {
		return err
	}
	*p = specParams{}
	for name, value := range m.values {
		var text *string
		if m.twice[name] || json.Unmarshal(value, &text) != nil || text == nil {
			return errShape
		}
		(*p)[name] = *text
	}
	return nil
}

// specMember is one allowed member of an object: its destination and its
// allowed values.
type specMember struct {
	name string
	dst  any
	want string
}

// readAll decodes those members that are present.
func (m *specMembers) readAll(path string, members []specMember) error {
	for _, member := range members {
		data, ok := m.values[member.name]
		switch at := strings.TrimPrefix(path+"."+member.name, "."); {
		case !ok:
		case m.twice[member.name]:
			return specError(at, "is given twice")
		case bytes.Equal(data, []byte("null")) || readMember(data, member.dst) != nil:
			return specError(at, "is invalid, allowed is "+member.want)
		}
	}
	return nil
}

// readMember is json.Unmarshal, without a second check of the syntax where the
// destination is a string or an object.
func readMember(data []byte, dst any) (err error) {
	switch dst := dst.(type) {
	case *string:
		*dst, err = specString(data)
	case **string:
		var text string
		text, err = specString(data)
		*dst = &text
	case *specMembers:
		err = dst.UnmarshalJSON(data)
	default:
		err = json.Unmarshal(data, dst)
	}
	return err
}

// parseSpecSecret turns one member of "secrets" back into its declaration.
func parseSpecSecret(path string, data []byte) (*declaration, error) {
	var m specMembers
	if m.UnmarshalJSON(data) != nil {
		return nil, specError(path, "is not an object")
	}
	var kind Kind
	var o Options
	var params specParams
	var address, given *string
	var rotation specMembers
	if err := m.readAll(path, []specMember{
		{"kind", &kind, "static, random or generated"},
		{"namespace", &o.Namespace, "a string"},
		{"name", &o.Name, "a string"},
		{"address", &address, "a string"},
		{"binding", &given, "a string"},
		{"secretName", &o.SecretName, "a string"},
		{"bytes", &o.Bytes, "a whole number"},
		{"encoding", &o.Encoding, "auto or raw"},
		{"format", &o.Format, "auto, plain, json or compact"},
		{"rotation", &rotation, "an object"},
		{"generator", &o.Generator, "a string"},
		{"params", &params, "an object of strings, each given once"},
		{"optional", &o.Optional, "true or false"},
	}); err != nil {
		return nil, err
	}
	switch {
	case m.values["kind"] == nil:
		return nil, specError(path+".kind", "is missing: allowed is static, random or generated")
	case m.values["name"] == nil:
		return nil, specError(path+".name", "is missing: allowed is "+nameRule)
	}
	o.Params = params
	if rotation.values != nil {
		var err error
		if o.Rotation, err = rotation.rotation(path + ".rotation"); err != nil {
			return nil, err
		}
	}
	if derived := (Address{o.Namespace, o.Name}).Binding(); given != nil && *given != derived {
		o.Binding = *given
	}
	d := newDeclaration(kind, o)
	faults := d.faults()
	if given != nil && *given == "" {
		faults.addText("Binding", "", bindingRule)
	}
	if len(faults) > 0 && faults[0].option == "Binding" {
		faults[0].allowed += "; without a binding it would be " + d.addr.Binding()
	}
	switch {
	case len(faults) > 0:
		return nil, specError(path+"."+memberOf(faults[0].option), faults[0].unquoted())
	case address != nil && *address != d.addr.String():
		return nil, specError(path+".address", "does not fit the names: it would be "+d.addr.String())
	}
	return d, nil
}

// unquoted describes a fault in a file without its text: the text may be a
// value in the wrong place.
func (f fault) unquoted() string {
	if strings.HasPrefix(f.given, `"`) {
		return "is invalid, allowed is " + f.allowed
	}
	return "is " + f.given + ", allowed is " + f.allowed
}

func (m *specMembers) rotation(path string) (*Rotation, error) {
	var r Rotation
	var startAt *string
	var retain specMembers
	if err := m.readAll(path, []specMember{
		{"everyDays", &r.EveryDays, "a whole number"},
		{"startAt", &startAt, "a time"},
		{"retain", &retain, "an object"},
	}); err != nil {
		return nil, err
	}
	if startAt != nil {
		t, ok := parseTime(*startAt)
		if !ok {
			return nil, specError(path+".startAt", badTime)
		}
		r.StartAt = t
	}
	return &r, retain.readAll(path+".retain", []specMember{
		{"mode", &r.Retain.Mode, "none, retain_for or retain_forever"},
		{"days", &r.Retain.Days, "a whole number"},
	})
}

// memberOf returns the path in a spec of an option: Rotation.EveryDays is
// rotation.everyDays.
func memberOf(option string) string {
	parts := strings.Split(option, ".")
	for i, p := range parts {
		parts[i] = strings.ToLower(p[:1]) + p[1:]
	}
	return strings.Join(parts, ".")
}
