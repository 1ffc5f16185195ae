package secret

import "strings"

// maxText is the largest accepted size of a text in bytes. The size is checked
// first.
const maxText = 1 << 20

const byteOrderMark = "\ufeff"

// Parse parses a stored text and detects its format by the rules in the package
// documentation. It has no declaration, so [Version.Bytes] of its versions
// returns the bytes of the text. It does not look at a clock.
//
// Errors wrap [ErrEmpty], [ErrMalformed] or [ErrTooLarge], are of type
// [*Error], and contain the place of the fault but none of the text. Parse
// takes time and memory in proportion to the text, for every text, and may be
// called concurrently. For a text that it refuses, Parse allocates at most four
// times the size of the text plus 32 KiB (more on js/wasm).
func Parse(text string) (*Document, error) {
	d, err := parse(text, FormatAuto)
	if err != nil {
		return nil, err
	}
	return newDocument(d), nil
}

// parse parses text in the pinned format, or detects the format if pin is
// FormatAuto.
func parse(text string, pin Format) (*document, error) {
	if len(text) > maxText {
		return nil, parseError(because(ErrTooLarge, "the text is over 1 MiB"))
	}
	t := trim(text)
	if t.s == "" {
		return nil, parseError(because(ErrEmpty, "nothing is stored but white space"))
	}
	switch pin {
	case FormatPlain:
		return plainDocument(text), nil
	case FormatJSON:
		return parseObject(text, t, true)
	case FormatCompact:
		return parseCompact(t)
	}
	switch t.s[0] {
	case '{':
		return parseObject(text, t, false)
	case '"', '\'', '#', '/':
		if disguised(t.s, 0, &decodings{maxUnescapes, 3*len(t.s) + fewUnescaped}) {
			return nil, malformed("", "", badDisguise).at(t.start)
		}
	default:
		if looksCompact(t.s, false) {
			return parseCompact(t)
		}
	}
	return plainDocument(text), nil
}

// parseObject parses a text that begins with a brace, or is declared as JSON: a
// version document, a damaged one, or a plain value such as JSON credentials.
func parseObject(text string, t trimmed, pinned bool) (*document, error) {
	const want = `the declaration pins FormatJSON: {"current": …, "versions": {…}}`
	r := jsonReader{s: t.s, base: t.start}
	if t.s[0] == '{' {
		r.document()
	}
	why := ""
	switch {
	case !pinned && !r.versionDocument():
		return plainDocument(text), nil
	case !pinned && r.disguised:
		why = badDisguise
	case !pinned && !r.valid():
		why = "a JSON version document with a syntax error here; was it cut off?"
	case t.s[0] != '{':
		why = "not a JSON object; " + want
	case !r.valid():
		why = "a JSON syntax error; " + want
	case !r.versionsObject:
		why = `no object "versions"; ` + want
	default:
		d, err := r.finish()
		switch {
		case err != nil:
			return nil, err
		case len(d.entries) > 0:
			return d, nil
		case !pinned:
			return plainDocument(text), nil
		}
		why = `no version in "versions"; ` + want
	}
	e := malformed("", "", why)
	if t.s[0] != '{' || !r.valid() {
		e.at(t.start + r.bad)
	}
	return nil, e
}

// plainDocument returns the whole text as version v1, white space included. It
// is not inlined, for the same reason as because.
//
//go:noinline
func plainDocument(text string) *document {
	return &document{format: FormatPlain, text: text, entries: []entry{{id: "v1", text: text}}}
}

// add is not inlined, for the same reason as because.
//
//go:noinline
func (d *document) add(id, text string) { d.entries = append(d.entries, entry{id: id, text: text}) }

// parseError is not inlined, for the same reason as because.
//
//go:noinline
func parseError(err error) *Error { return &Error{Op: "parse", Err: err} }

// malformed returns the error for a fault in one member of one version (either
// may be empty). It is not inlined, for the same reason as because.
//
//go:noinline
func malformed(id, member, why string) *Error {
	e := parseError(because(ErrMalformed, why))
	e.Version, e.Member = shownID(id), member
	return e
}

// shownID returns the id if an error about a malformed text may contain it: v
// and a few digits. Any other id may be part of a value.
func shownID(id string) string {
	if len(id) > 10 || !isVDigits(id) {
		return ""
	}
	return id
}

// isVDigits reports whether s is of the form v<digits>.
func isVDigits(s string) bool {
	if len(s) < 2 || s[0] != 'v' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// trimmed is the part of a text that decides its format, and the offset of that
// part.
type trimmed struct {
	s     string
	start int
}

func trim(text string) trimmed {
	s := strings.TrimPrefix(text, byteOrderMark)
	start := len(text) - len(s)
	lead, rest := cutLeadingSpace(s)
	return trimmed{s: trimTrailingSpace(rest), start: start + lead}
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func cutLeadingSpace(s string) (n int, rest string) {
	for n < len(s) && isSpace(s[n]) {
		n++
	}
	return n, s[n:]
}

func trimTrailingSpace(s string) string {
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}
