package secret

import "strings"

// maxText is the size in bytes above which a text is refused before anything looks into it.
const maxText = 1 << 20

const byteOrderMark = "\ufeff"

// Parse reads a stored text, whose format it finds out by itself, as the package documentation says. It knows no
// declaration, so [Version.Bytes] of what it returns is the text's bytes. It looks at no clock.
//
// Errors wrap [ErrEmpty], [ErrMalformed] or [ErrTooLarge], are of type [*Error], and say where the fault is but nothing of
// what stands there. Parse takes time and memory in proportion to the text, whatever is in it, and may be called
// concurrently. A text that it refuses costs at most four times its size, and 32 KiB (on js/wasm more).
func Parse(text string) (*Document, error) {
	d, err := parse(text, FormatAuto)
	if err != nil {
		return nil, err
	}
	return newDocument(d), nil
}

// parse reads text in the pinned format, or finds the format out where pin is FormatAuto.
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

// parseObject parses a text that begins with a brace, or is declared to: a version document, the damaged remains of one,
// or a plain value such as JSON credentials.
func parseObject(text string, t trimmed, pinned bool) (*document, error) {
	const want = `the declaration pins FormatJSON: {"current": …, "versions": {…}}`
	var o jsonShape
	if t.s[0] == '{' {
		o = scanJSON(t.s)
	}
	why := ""
	switch {
	case !pinned && !o.versionDocument():
		return plainDocument(text), nil
	case !pinned && o.disguised:
		why = badDisguise
	case !pinned && !o.valid():
		why = "a JSON version document with a syntax error here; was it cut off?"
	case t.s[0] != '{':
		why = "not a JSON object; " + want
	case !o.valid():
		why = "a JSON syntax error; " + want
	case !o.versionsObject:
		why = `no object "versions"; ` + want
	default:
		d, err := parseJSON(t, o.versions, o.members)
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
	if !o.valid() {
		e.at(t.start + max(o.fault, 0))
	}
	return nil, e
}

// plainDocument is the whole text as version v1, white space and all. It is not inlined, for the same reason as because.
//
//go:noinline
func plainDocument(text string) *document {
	return &document{format: FormatPlain, text: text, entries: []entry{{id: "v1", text: text}}}
}

// parseError is not inlined, for the same reason as because.
//
//go:noinline
func parseError(err error) *Error { return &Error{Op: "parse", Err: err} }

// malformed is a fault in one member of one version (either may be empty). It is not inlined, for the same reason as because.
//
//go:noinline
func malformed(id, member, why string) *Error {
	e := parseError(because(ErrMalformed, why))
	e.Version, e.Member = shownID(id), member
	return e
}

// shownID returns the id where a malformed text may show it: v and a few digits. Anything else may be part of a value.
func shownID(id string) string {
	if len(id) > 10 || !isVDigits(id) {
		return ""
	}
	return id
}

// isVDigits tells whether s is of the form v<digits>.
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

// trimmed is the part of a text that decides about its format, and where in the text it starts.
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
