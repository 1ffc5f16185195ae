package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// ParseSpec reads the JSON of a Spec: what an App or `layer secret spec` wrote, or a person. The graph is drawn anew and
// members that a Spec does not have are ignored. Namespace may be left out, as in a declaration; address and binding must
// fit the names where they stand; a missing secretName is derived.
//
// What breaks a rule is [ErrInvalid], with the path of the member, such as secrets[2].rotation.everyDays, in the message and
// in [Error.Member].
func ParseSpec(data []byte) (Spec, error) {
	var raw struct {
		Workspace   string            `json:"workspace"`
		Project     string            `json:"project"`
		Environment string            `json:"environment"`
		Secrets     []json.RawMessage `json:"secrets"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return Spec{}, specError("", decodeReason(err))
	}
	if raw.Secrets == nil {
		return Spec{}, specError("secrets", "is missing; [] stands for none")
	}
	s := Spec{Workspace: raw.Workspace, Project: raw.Project, Environment: raw.Environment,
		Secrets: make([]SpecSecret, 0, len(raw.Secrets))}
	places := map[string]string{}
	for i, one := range raw.Secrets {
		path := "secrets[" + strconv.Itoa(i) + "]"
		d, err := parseSpecSecret(path, one)
		if err != nil {
			return Spec{}, err
		}
		if other, ok := places[d.binding]; ok {
			return Spec{}, specError(path, "has the binding name of "+other+": each secret needs its own")
		}
		places[d.binding] = path
		s.Secrets = append(s.Secrets, d.spec(&s))
	}
	s.finish()
	return s, nil
}

func specError(path, why string) error {
	return &Error{Op: "parse spec", Member: path, Offset: -1, Err: because(ErrInvalid, why)}
}

// decodeReason says what is wrong with the JSON without quoting it: somebody may have put a value there.
func decodeReason(err error) string {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return "not JSON, at byte " + strconv.FormatInt(syntax.Offset, 10)
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return mismatch.Field + " is a JSON " + firstWord(mismatch.Value) + ", which does not fit"
	}
	return "not a JSON object of that shape"
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// specMembers are decoded one by one, so that a fault has a path.
type specMembers map[string]json.RawMessage

// parseSpecSecret turns one member of "secrets" back into the declaration that it was made from.
func parseSpecSecret(path string, data []byte) (*declaration, error) {
	var m specMembers
	if json.Unmarshal(data, &m) != nil || m == nil {
		return nil, specError(path, "is not an object")
	}
	var kind Kind
	var o Options
	var address, binding string
	if m["kind"] == nil {
		return nil, specError(path+".kind", "is missing: allowed is static, random, generated")
	}
	for _, member := range []struct {
		name string
		dst  any
		want string
	}{
		{"kind", &kind, "static, random or generated"},
		{"namespace", &o.Namespace, "a string"},
		{"name", &o.Name, "a string"},
		{"address", &address, "a string"},
		{"binding", &binding, "a string"},
		{"secretName", &o.SecretName, "a string"},
		{"bytes", &o.Bytes, "a whole number"},
		{"encoding", &o.Encoding, "auto or raw"},
		{"format", &o.Format, "auto, plain, json or compact"},
		{"generator", &o.Generator, "a string"},
		{"params", &o.Params, "an object of strings"},
	} {
		if err := m.read(path, member.name, member.dst, member.want); err != nil {
			return nil, err
		}
	}
	var err error
	if o.Rotation, err = m.rotation(path + ".rotation"); err != nil {
		return nil, err
	}
	d := newDeclaration(kind, o)
	if faults := d.faults(); len(faults) > 0 {
		f := faults[0]
		return nil, specError(path+"."+memberOf(f.option), "is "+f.given+", allowed is "+f.allowed)
	}
	if address != "" && address != d.addr.String() {
		return nil, specError(path+".address", "does not fit the names: it would be "+d.addr.String())
	}
	if binding != "" && binding != d.binding {
		return nil, specError(path+".binding", "does not fit the names: it would be "+d.binding)
	}
	return d, nil
}

// read decodes a member where it is present.
func (m specMembers) read(path, name string, dst any, want string) error {
	data, ok := m[name]
	if !ok {
		return nil
	}
	if bytes.Equal(data, []byte("null")) || json.Unmarshal(data, dst) != nil {
		return specError(path+"."+name, "is not what is allowed: "+want)
	}
	return nil
}

func (m specMembers) rotation(path string) (*Rotation, error) {
	data, ok := m["rotation"]
	if !ok {
		return nil, nil
	}
	var r, retain specMembers
	if json.Unmarshal(data, &r) != nil || r == nil {
		return nil, specError(path, "is not an object")
	}
	var rotation Rotation
	var startAt string
	if err := r.read(path, "everyDays", &rotation.EveryDays, "a whole number"); err != nil {
		return nil, err
	}
	if err := r.read(path, "startAt", &startAt, "a time"); err != nil {
		return nil, err
	}
	if startAt != "" {
		t, ok := parseInstant(startAt)
		if !ok {
			return nil, specError(path+".startAt", badTime)
		}
		rotation.StartAt = t
	}
	if err := r.read(path, "retain", &retain, "an object"); err != nil {
		return nil, err
	}
	if err := retain.read(path+".retain", "mode", &rotation.Retain.Mode, "none, retain_for or retain_forever"); err != nil {
		return nil, err
	}
	if err := retain.read(path+".retain", "days", &rotation.Retain.Days, "a whole number"); err != nil {
		return nil, err
	}
	return &rotation, nil
}

// memberOf returns the path in a spec of an option: Rotation.EveryDays is rotation.everyDays.
func memberOf(option string) string {
	parts := strings.Split(option, ".")
	for i, p := range parts {
		parts[i] = strings.ToLower(p[:1]) + p[1:]
	}
	return strings.Join(parts, ".")
}
