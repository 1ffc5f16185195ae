package secret

import (
	"errors"
	"strconv"

	"github.com/layeron-hq/secret/internal/binding"
)

// Every error of this package wraps one of these sentinels; test for them with
// [errors.Is]. A [Store] that fails may return errors of its own.
var (
	// ErrNotFound: the store holds no value for the secret. A Store returns it
	// wrapped, with the place where it looked.
	ErrNotFound = errors.New("not found")
	// ErrVersionNotFound: the stored document has no version with that id.
	ErrVersionNotFound = errors.New("version not found")
	// ErrNotActive: no version is active at that time, or the named one has
	// expired.
	ErrNotActive = errors.New("no version active")
	// ErrEmpty: a value is stored, but it is empty or only white space.
	ErrEmpty = errors.New("empty")
	// ErrMalformed: the text is a version document, or is declared to be one, and
	// breaks its rules.
	ErrMalformed = errors.New("malformed")
	// ErrTooLarge: the text is over 1 MiB.
	ErrTooLarge = errors.New("too large")
	// ErrEncoding: a value cannot be decoded as requested (bytes of the declared
	// length, JSON), or a document cannot be written in the requested format.
	ErrEncoding = errors.New("wrong encoding")
	// ErrInvalid: a declaration or an argument breaks a rule.
	ErrInvalid = errors.New("invalid")
)

// Error is the type of every error that this package returns from a read, a
// parse or a declaration; get it with [errors.As]. It never holds any part of a
// value.
type Error struct {
	// Op is the operation that failed: "load", "parse", "version", "at", "active
	// version", "bytes", "json", "encode", "declare", "new document", "parse
	// address", "parse spec", "derive", "start", "refresh", "close".
	Op string
	// Address is the address of the secret; zero if no declaration is involved.
	Address Address
	// Where is the place of the text, such as a variable or a file, if the store is
	// a Locator. For a missing value Err contains the place instead.
	Where string
	// Version is the id of the version with the fault, or empty. For a malformed
	// text it holds only ids of the form v<digits>: any other "id" may be a part of
	// a value that contains a semicolon.
	Version string
	// Member is the member or option with the fault ("current", "expiresAt",
	// "Bytes"), or empty.
	Member string
	// Err is the reason. It wraps one of the sentinels, or is an error of the
	// store.
	Err error

	_          uncomparable
	byteNumber int // of the fault in the stored text, counted from 1; 0: unknown
}

// Offset returns the offset of the fault in the stored text, in bytes from 0.
// known is false if the offset is unknown or has no meaning.
func (e *Error) Offset() (offset int, known bool) {
	if e.byteNumber == 0 {
		return 0, false
	}
	return e.byteNumber - 1, true
}

// at sets the offset of the fault, and returns e.
func (e *Error) at(offset int) *Error {
	e.byteNumber = offset + 1
	return e
}

// Error returns the operation, the secret, the place and the reason.
func (e *Error) Error() string {
	text := "secret: " + e.Op
	if e.Address != (Address{}) {
		text += " " + e.Address.String()
	}
	text += e.place() + ": "
	if e.Err != nil {
		text += e.Err.Error()
	}
	return text
}

// place returns the parts of the message between the address and the reason.
func (e *Error) place() (text string) {
	if e.Where != "" {
		text = " from " + e.Where
	}
	if e.Version != "" {
		text += ", version " + quoteID(e.Version)
	}
	if e.Member != "" && e.Op != "declare" { // there Err names every wrong option
		text += ", " + e.Member
	}
	if offset, known := e.Offset(); known {
		text += ", at byte " + strconv.Itoa(offset)
	}
	return text
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// quoteID returns the id that a caller asked for: unchanged if it is harmless,
// otherwise quoted and cut.
func quoteID(id string) string {
	const most = 64
	cut := ""
	if len(id) > most {
		id, cut = id[:most], "…"
	}
	if !binding.Only(id, "-.") {
		id = strconv.QuoteToASCII(id)
	}
	return id + cut
}

// reason is a sentinel with an explanation.
type reason struct {
	_        uncomparable
	sentinel error
	text     string
}

// because returns a sentinel with an explanation. It is not inlined: at its
// many calls that would add 2 KB to a Worker.
//
//go:noinline
func because(sentinel error, text string) error { return &reason{sentinel: sentinel, text: text} }

func (r *reason) Error() string { return r.sentinel.Error() + ": " + r.text }
func (r *reason) Unwrap() error { return r.sentinel }
