package driver

import (
	"fmt"
	"io"
	"sync/atomic"
)

// Value is a string that redacts itself when printed: no verb of fmt, no JSON
// and no log shows its text. Values are immutable and safe for concurrent use.
// The zero Value is the empty text.
type Value struct {
	p *atomic.Pointer[string] // reflection, and so fmt, shows only an address here
}

// NewValue wraps a text.
func NewValue(text string) Value {
	if text == "" {
		return Value{}
	}
	v := Value{new(atomic.Pointer[string])}
	v.p.Store(&text)
	return v
}

// Reveal returns the text, for code that sends it or writes it to its place.
func (v Value) Reveal() string {
	if v.p == nil {
		return ""
	}
	return *v.p.Load()
}

// String returns "[value]", or "[no value]" for the empty text.
func (v Value) String() string {
	if v.p == nil {
		return "[no value]"
	}
	return "[value]"
}

// Format writes the result of String under every verb and flag.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, v.String()) }

// MarshalText returns the result of String, for encoding/json and log/slog.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }
