package secret

import (
	"encoding"
	"encoding/json"
	"fmt"
	"strconv"
)

// The methods in this file decide the output of fmt, encoding/json and log/slog
// for types that hold values: names and times, never a value. If these packages
// do not call a method (for another type's unexported field), reflection finds
// an atomic pointer, which shows at most an address.

// Without one of these methods a type would still compile, and would show
// values.
var (
	_ fmt.Formatter          = (*Secret)(nil)
	_ encoding.TextMarshaler = (*Secret)(nil)
	_ fmt.Formatter          = Ref{}
	_ encoding.TextMarshaler = Ref{}
	_ fmt.Formatter          = Version{}
	_ json.Marshaler         = Version{}
	_ fmt.Formatter          = (*Document)(nil)
	_ json.Marshaler         = (*Document)(nil)
	_ fmt.Formatter          = (*Memory)(nil)
	_ encoding.TextMarshaler = (*Memory)(nil)
	_ fmt.Formatter          = (*App)(nil)
	_ encoding.TextMarshaler = (*App)(nil)
)

// String returns the secret's address.
func (s *Secret) String() string { return s.Address().String() }

// Format writes the address, under every verb and flag.
func (s *Secret) Format(f fmt.State, _ rune) { write(f, s.String()) }

// MarshalText returns the address, for encoding/json and log/slog.
func (s *Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String describes the read, not its result.
func (r Ref) String() string {
	text := r.s.String()
	switch r.pick {
	case pickVersion:
		return text + " version " + quoteID(r.id)
	case pickAt:
		return text + " at " + formatTime(r.t)
	case pickActiveVersion:
		return text + " active version " + quoteID(r.id)
	}
	return text + " current"
}

// Format writes the text of String, under every verb and flag.
func (r Ref) Format(f fmt.State, _ rune) { write(f, r.String()) }

// MarshalText returns the text of String.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns the id and the life: "version v2, from 2026-05-01T00:00:00Z
// until 2026-06-01T00:00:00Z".
func (v Version) String() string {
	if v.ID == "" {
		return "no version"
	}
	text := "version " + quoteID(v.ID)
	if v.ActiveFrom.IsZero() && v.ExpiresAt.IsZero() {
		return text
	}
	text += ","
	if !v.ActiveFrom.IsZero() {
		text += " from " + formatTime(v.ActiveFrom)
	}
	if !v.ExpiresAt.IsZero() {
		text += " until " + formatTime(v.ExpiresAt)
	}
	return text
}

// Format writes the text of String, under every verb and flag.
func (v Version) Format(f fmt.State, _ rune) { write(f, v.String()) }

// MarshalJSON returns the id and the life:
// {"id":"v2","activeFrom":"…","expiresAt":"…"}. It leaves out absent times.
func (v Version) MarshalJSON() ([]byte, error) { return v.appendJSON(nil), nil }

func (v Version) appendJSON(b []byte) []byte {
	b = appendQuoted(append(b, `{"id":`...), v.ID)
	return append(appendLife(b, v.ActiveFrom, v.ExpiresAt), '}')
}

// String returns the format, the current id and the number of versions.
func (d *Document) String() string {
	versions := " versions"
	n := len(d.data().entries)
	if n == 1 {
		versions = " version"
	}
	return d.StoredAs().String() + " document, " + strconv.Itoa(n) + versions + ", current " + quoteID(d.Current().ID)
}

// Format writes the text of String, under every verb and flag.
func (d *Document) Format(f fmt.State, _ rune) { write(f, d.String()) }

// MarshalJSON returns the format, the current id, and the ids and lives of the
// versions, under the names that they have in a [SecretStatus].
func (d *Document) MarshalJSON() ([]byte, error) {
	b := appendQuoted([]byte(`{"format":`), d.StoredAs().String())
	b = appendQuoted(append(b, `,"current":`...), d.Current().ID)
	b = append(b, `,"versions":[`...)
	for i := range d.data().entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = d.version(i).appendJSON(b)
	}
	return append(b, ']', '}'), nil
}

// String returns "memory store", without any content of the store.
func (m *Memory) String() string { return "memory store" }

// Format writes the text of String, under every verb and flag.
func (m *Memory) Format(f fmt.State, _ rune) { write(f, m.String()) }

// MarshalText returns the text of String.
func (m *Memory) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// String returns "App". For more use Status.
func (a *App) String() string { return "App" }

// Format writes the text of String, under every verb and flag.
func (a *App) Format(f fmt.State, _ rune) { write(f, a.String()) }

// MarshalText returns the text of String.
func (a *App) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

func write(f fmt.State, text string) { _, _ = f.Write([]byte(text)) }
