package secret

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// JSON decodes a value that is JSON, such as credentials with several members,
// into a T. On an error it returns the zero T.
func JSON[T any](r Ref) (T, error) {
	var dst T
	if err := r.JSON(&dst); err != nil {
		var zero T
		return zero, err
	}
	return dst, nil
}

// JSON decodes the value into dst, a non-nil pointer, by the rules of
// encoding/json. Errors wrap [ErrEncoding], and also [ErrMalformed] if the
// value is not JSON; for a dst that is not a pointer they wrap [ErrInvalid].
// They contain offsets and Go types, never a part of the value. After an error
// dst may hold part of the value.
func (v Version) JSON(dst any) error {
	fault := decodeJSON(v.Text(), dst)
	if fault == nil {
		return nil
	}
	fault.Op, fault.Address, fault.Version = "json", v.doc.data().addr(), v.ID
	return fault
}

// notJSON matches both ErrEncoding, for a caller that classifies failed reads,
// and ErrMalformed, for a caller that classifies texts.
type notJSON struct{ text string }

func (e notJSON) Error() string   { return ErrEncoding.Error() + ": " + e.text }
func (e notJSON) Unwrap() []error { return []error{ErrEncoding, ErrMalformed} }

// decodeJSON replaces the decoder's messages, which quote the text.
func decodeJSON(text string, dst any) *Error {
	if text == "" {
		return &Error{Err: because(ErrEncoding, "there is no value")}
	}
	if !utf8.ValidString(text) {
		// The decoder would replace it with U+FFFD: another password.
		return (&Error{Err: notJSON{"invalid UTF-8"}}).at(invalidUTF8(text))
	}
	err := json.Unmarshal([]byte(text), dst)
	if err == nil {
		return nil
	}
	// Only the decoder's own errors are considered: one that an UnmarshalJSON wraps
	// counts its offset from the start of some part.
	switch e := err.(type) {
	case *json.InvalidUnmarshalError:
		return &Error{Err: because(ErrInvalid, "JSON decodes into a non-nil pointer, not into "+typeName(dst))}
	case *json.SyntaxError:
		if !json.Valid([]byte(text)) {
			return (&Error{Err: notJSON{"the value is not JSON; use Text for a plain one"}}).at(syntaxOffset(e, text))
		}
	case *json.UnmarshalTypeError:
		if e.Type != nil {
			return (&Error{Err: because(ErrEncoding, "the value does not fit the Go type "+e.Type.String())}).at(int(e.Offset))
		}
	}
	return &Error{Err: because(ErrEncoding, "the value does not fit "+typeName(dst))}
}

// syntaxOffset returns the offset of the fault. The decoder counts the bytes
// that it has read, including the faulty one unless the text ended too early.
func syntaxOffset(e *json.SyntaxError, text string) int {
	if e.Error() == "unexpected end of JSON input" {
		return len(text)
	}
	return int(e.Offset) - 1
}

func typeName(dst any) string { return fmt.Sprintf("%T", dst) }

// invalidUTF8 returns the offset of the first fault.
func invalidUTF8(s string) int {
	for i := range s {
		if c, n := utf8.DecodeRuneInString(s[i:]); c == utf8.RuneError && n == 1 {
			return i
		}
	}
	return len(s)
}
