package rotate

import (
	"fmt"
	"io"
	"sync/atomic"
)

// Value is a text that is nobody's business: no verb of fmt, no JSON and no log shows it. Values are immutable and safe for
// concurrent use. The zero Value is the empty text.
type Value struct {
	p *atomic.Pointer[string] // reflection, and so fmt, shows no more than an address here
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

// Reveal returns the text, for whoever sends it or writes it to where it belongs.
func (v Value) Reveal() string {
	if v.p == nil {
		return ""
	}
	return *v.p.Load()
}

// String returns "[value]", or "[no value]" for the empty one.
func (v Value) String() string {
	if v.p == nil {
		return "[no value]"
	}
	return "[value]"
}

// Format writes what String returns, under every verb and flag.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, v.String()) }

// MarshalText returns what String does, for encoding/json and log/slog.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }
