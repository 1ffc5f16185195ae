package secret

import "strings"

const (
	addressPrefix    = "$SECRET."
	defaultNamespace = "default"
	maxNameLength    = 63
	nameRule         = "1 to 63 of a-z, 0-9, and between them - and _"
)

// Address identifies a secret across programs: $SECRET.<namespace>.<name>. It
// is comparable, so it can be the key of a map, and it holds no value. An empty
// Namespace means "default" wherever an Address is written as text. Addresses
// that this package returns always have the namespace filled in, so they
// compare equal.
//
// Namespace and name consist of lower-case letters and digits, inside also of -
// and _, at most 63 characters each.
type Address struct {
	Namespace string
	Name      string
}

// ParseAddress parses the form that [Address.String] returns. The error for any
// other text wraps [ErrInvalid].
func ParseAddress(text string) (Address, error) {
	rest, ok := strings.CutPrefix(text, addressPrefix)
	namespace, name, dot := strings.Cut(rest, ".")
	a := Address{Namespace: namespace, Name: name}
	if !ok || !dot || !validName(namespace) || !validName(name) {
		// The error does not quote the text: a caller that mixed up its arguments may
		// have passed a value.
		return Address{}, &Error{Op: "parse address",
			Err: because(ErrInvalid, "an address is $SECRET.<namespace>.<name>, each "+nameRule)}
	}
	return a, nil
}

// String returns the address in the form $SECRET.auth.session-key.
//
// (It is not inlined: at its calls that would add to a Worker.)
//
//go:noinline
func (a Address) String() string {
	a = a.withDefault()
	return addressPrefix + a.Namespace + "." + a.Name
}

// MarshalText returns the same text as String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText parses text as [ParseAddress] does. On an error the receiver
// keeps its address.
func (a *Address) UnmarshalText(text []byte) error {
	parsed, err := ParseAddress(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

func (a Address) withDefault() Address {
	if a.Namespace == "" {
		a.Namespace = defaultNamespace
	}
	return a
}

func validName(s string) bool {
	if s == "" || len(s) > maxNameLength {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case (c == '-' || c == '_') && i > 0 && i < len(s)-1:
		default:
			return false
		}
	}
	return true
}
