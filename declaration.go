package secret

import (
	"maps"
	"strconv"
	"strings"
	"time"
)

// Options is a declaration. Namespace and Name identify the secret; everything else may stay zero.
type Options struct {
	// Namespace groups secrets, by product or by team. Empty: "default". Lower-case letters and digits, inside also - and _,
	// at most 63 characters.
	Namespace string
	// Name is required, under the same rule.
	Name string
	// Bytes is the length of the key, 16 to 1024. On Random 0 means 32; on Generated 0 means that the value is not a key but a
	// text; on Static it must be 0.
	Bytes int
	// Encoding says how a key of Bytes bytes stands in the text. Zero, EncodingAuto: hex or base64, told apart by the length.
	Encoding Encoding
	// Format pins how the stored text is read. Zero, FormatAuto: the text decides (see the package documentation).
	Format Format
	// Rotation is the policy for renewal. Nil: never. It cannot go with FormatPlain, which holds a single version.
	Rotation *Rotation
	// Generator names the step that makes the value of a Generated secret, such as "cloudflare/r2-credentials". Empty: the
	// value comes from elsewhere. Refused on the other kinds.
	Generator string
	// Params are the generator's own settings. They are no secrets: they stand in the spec. Refused without a Generator.
	Params map[string]string
	// SecretName is the name under which the value is kept in the secrets store, where one is there already: letters, digits,
	// - and _. Empty: a name derived from address, workspace, project and environment.
	SecretName string
	// Store is where reads look. Nil: the App's store, or without an App the environment.
	Store Store
}

// Kind tells who supplies a secret's value.
type Kind uint8

const (
	KindStatic    Kind = iota // an operator
	KindRandom                // random bytes made by `layer secret`
	KindGenerated             // the step named by Options.Generator
)

// String returns static, random or generated.
func (k Kind) String() string { return nameOf(k, kindNames) }

// MarshalText returns what String does, and [ErrInvalid] for a value that is none of the constants.
func (k Kind) MarshalText() ([]byte, error) { return textOf(k, kindNames) }

// UnmarshalText reads what String returns; anything else is [ErrInvalid].
func (k *Kind) UnmarshalText(text []byte) error { return readName(k, text, kindNames) }

var kindNames = []string{"static", "random", "generated"}

// declaration is what a constructor made of its Options: checked, with defaults filled in. It never changes.
type declaration struct {
	kind Kind
	Options
	addr    Address
	binding string
	err     error
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
	d := &declaration{kind: kind, Options: o, addr: addr, binding: addr.Binding()}
	if faults := d.faults(); len(faults) > 0 {
		d.err = &Error{Op: "declare", Address: addr, Member: faults[0].option,
			Err: because(ErrInvalid, describe(faults))}
		return d
	}
	if kind == KindRandom && o.Bytes == 0 {
		d.Bytes = 32
	}
	return d
}

// fault is one broken rule: the option, the value given, what is allowed.
type fault struct{ option, given, allowed string }

func describe(faults []fault) string {
	parts := make([]string, len(faults))
	for i, f := range faults {
		parts[i] = f.option + " is " + f.given + ", allowed is " + f.allowed
	}
	return strings.Join(parts, "; ")
}

const maxDays = 36_500

func (d *declaration) faults() (faults []fault) {
	add := func(option, given, allowed string) { faults = append(faults, fault{option, given, allowed}) }
	if !validName(d.addr.Namespace) {
		add("Namespace", strconv.Quote(d.Namespace), nameRule)
	}
	if !validName(d.Name) {
		add("Name", strconv.Quote(d.Name), nameRule)
	}
	switch {
	case d.kind == KindStatic && d.Bytes != 0:
		add("Bytes", strconv.Itoa(d.Bytes), "none on a static secret: its value is whatever the operator supplies")
	case d.Bytes != 0 && (d.Bytes < 16 || d.Bytes > 1024):
		add("Bytes", strconv.Itoa(d.Bytes), "16 to 1024")
	}
	if d.Encoding > EncodingRaw {
		add("Encoding", strconv.Itoa(int(d.Encoding)), "EncodingAuto or EncodingRaw")
	}
	if d.Format > FormatCompact {
		add("Format", strconv.Itoa(int(d.Format)), "FormatAuto, FormatPlain, FormatJSON or FormatCompact")
	}
	if d.kind != KindGenerated && d.Generator != "" {
		add("Generator", strconv.Quote(d.Generator), "none on a "+d.kind.String()+" secret: only Generated takes one")
	}
	if d.Generator == "" && len(d.Params) > 0 {
		add("Params", "set", "none without a Generator")
	}
	if !validSecretName(d.SecretName) {
		add("SecretName", strconv.Quote(d.SecretName), "letters, digits, - and _")
	}
	if r := d.Rotation; r != nil {
		d.rotationFaults(r, add)
	}
	return faults
}

func (d *declaration) rotationFaults(r *Rotation, add func(option, given, allowed string)) {
	if d.Format == FormatPlain {
		add("Rotation", "set", "none with FormatPlain: a plain value holds a single version")
	}
	if r.EveryDays < 7 || r.EveryDays > maxDays {
		add("Rotation.EveryDays", strconv.Itoa(r.EveryDays), "7 to 36500")
	}
	if !r.StartAt.IsZero() && !inRange(r.StartAt) {
		add("Rotation.StartAt", r.StartAt.Format(time.RFC3339), "a time from 1970 to 9999, or none")
	}
	switch days := r.Retain.Days; {
	case r.Retain.Mode > RetainForever:
		add("Rotation.Retain.Mode", strconv.Itoa(int(r.Retain.Mode)), "RetainNone, RetainFor or RetainForever")
	case r.Retain.Mode == RetainFor && (days < 1 || days > maxDays):
		add("Rotation.Retain.Days", strconv.Itoa(days), "1 to 36500 with RetainFor")
	case r.Retain.Mode != RetainFor && days != 0:
		add("Rotation.Retain.Days", strconv.Itoa(days), "none but with RetainFor")
	}
}

func validSecretName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
