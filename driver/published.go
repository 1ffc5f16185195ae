package driver

import (
	"fmt"
	"io"
	"strconv"
)

// String returns the note and whether the value is pending, and of Modified
// only whether it is set.
func (p Published) String() string {
	note, modified, pending := "no note", "[no modified]", ""
	if p.Note != "" {
		note = "note " + strconv.Quote(p.Note)
	}
	if p.Modified != "" {
		modified = "[modified]"
	}
	if p.Pending {
		pending = ", pending"
	}
	return note + ", " + modified + pending
}

// Format writes the result of String under every verb and flag.
func (p Published) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// MarshalText returns the result of String, for encoding/json and log/slog.
func (p Published) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// GobEncode returns the result of String, for encoding/gob, which calls no
// MarshalText.
func (p Published) GobEncode() ([]byte, error) { return p.MarshalText() }
