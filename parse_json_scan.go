package secret

import (
	"math/bits"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// maxNesting is the limit of encoding/json for nesting.
const maxNesting = 10_000

// jsonShape describes a text that begins with a brace, to decide its format.
type jsonShape struct {
	fault          int  // offset of the first syntax error, -1 if the text is one valid JSON object
	currentFirst   bool // the first top-level member is named current
	versionsNamed  bool // a top-level member is named versions …
	versionsObject bool // … and one such is an object,
	versions       int  // with that many members
	members        int  // of all objects
	disguised      bool // comments precede the first member, or its name is not in double quotes
}

func (o jsonShape) valid() bool { return o.fault < 0 && !o.disguised }

// versionDocument reports whether the text is a version document in disguise,
// or was meant to be a version document and has a fault.
func (o jsonShape) versionDocument() bool {
	if o.fault < 0 {
		return o.versionsObject
	}
	return o.currentFirst || o.versionsNamed
}

// scanJSON scans s, which begins with '{', once, without recursion, and accepts
// the same texts as encoding/json. It accepts repeated names and bad UTF-8:
// they matter only in a version document.
func scanJSON(s string) (o jsonShape) {
	var shallow [64]byte
	open := append(shallow[:0], '{') // the brackets that enclose position i
	i, names := 1, 0
	versions := false // i is in a top-level member named versions
	fail := func(at int) jsonShape { o.fault = at; return o }
	o.fault = -1

	// Each iteration reads one member or element, or closes a bracket. closable:
	// the bracket was just opened, so it may close here.
	for closable := true; ; {
		i = skipSpace(s, i)
		if i == len(s) {
			return fail(i)
		}
		inObject := open[len(open)-1] == '{'
		if closable && s[i] == closing(inObject) {
			i++
			open = open[:len(open)-1]
		} else {
			if inObject {
				end, ok := scanString(s, i)
				if !ok && end == i && names == 0 && len(open) == 1 {
					if n := commentEnd(s[i:]); n > 0 {
						o.disguised = true
						i += n
						continue
					}
					o.currentFirst = unquotedName(s[i:])
					o.disguised = o.disguised || o.currentFirst
				}
				if !ok {
					return fail(end)
				}
				o.members++
				if len(open) == 1 {
					versions = nameIs(s[i:end], "versions")
					o.versionsNamed = o.versionsNamed || versions
					o.currentFirst = o.currentFirst || names == 0 && nameIs(s[i:end], "current")
					names++
				} else if versions && len(open) == 2 {
					o.versions++
				}
				if i = skipSpace(s, end); i == len(s) || s[i] != ':' {
					return fail(i)
				}
				if i = skipSpace(s, i+1); i == len(s) {
					return fail(i)
				}
			}
			if c := s[i]; c == '{' || c == '[' {
				if len(open) == maxNesting {
					return fail(i)
				}
				o.versionsObject = o.versionsObject || versions && len(open) == 1 && c == '{'
				open = append(open, c)
				i, closable = i+1, true
				continue
			}
			end, ok := scanScalar(s, i)
			if !ok {
				return fail(end)
			}
			i = end
		}
		// A value has ended: close the brackets that end after it, up to a comma.
		for {
			i = skipSpace(s, i)
			if len(open) == 0 {
				if i < len(s) {
					return fail(i)
				}
				return o
			}
			if i == len(s) {
				return fail(i)
			}
			if s[i] == closing(open[len(open)-1] == '{') {
				i++
				open = open[:len(open)-1]
				continue
			}
			if s[i] != ',' {
				return fail(i)
			}
			i, closable = i+1, false
			break
		}
	}
}

func closing(object bool) byte {
	if object {
		return '}'
	}
	return ']'
}

// skipSpace skips JSON's white space. A document may be surrounded by more
// kinds.
func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// scanScalar returns the end of the string, number or literal at i, or the
// offset of the fault.
func scanScalar(s string, i int) (end int, ok bool) {
	switch c := s[i]; {
	case c == '"':
		return scanString(s, i)
	case c == '-' || '0' <= c && c <= '9':
		return scanNumber(s, i)
	case c == 't':
		return scanWord(s, i, "true")
	case c == 'f':
		return scanWord(s, i, "false")
	case c == 'n':
		return scanWord(s, i, "null")
	}
	return i, false
}

func scanWord(s string, i int, word string) (end int, ok bool) {
	if !strings.HasPrefix(s[i:], word) {
		return i, false
	}
	return i + len(word), true
}

func scanString(s string, i int) (end int, ok bool) {
	if s[i] != '"' {
		return i, false
	}
	i = plainEnd(s, i+1)
	if i < len(s) && s[i] == '"' {
		return i + 1, true // the case of most strings
	}
	if i, ok = scanInside(s, i); !ok || i == len(s) {
		return i, false
	}
	return i + 1, true
}

// scanInside returns the end of the string whose content begins at i: its
// closing quote or, if that is missing, the end of s. On a fault it returns the
// offset of the fault.
func scanInside(s string, i int) (end int, ok bool) {
	for i = plainEnd(s, i); i < len(s); i = plainEnd(s, i) {
		switch c := s[i]; {
		case c == '"':
			return i, true
		case c < ' ':
			return i, false
		}
		if i++; i == len(s) {
			return i, false
		}
		switch s[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i++
		case 'u':
			i++
			for range 4 {
				if i == len(s) || hexDigit(s[i]) < 0 {
					return i, false
				}
				i++
			}
		default:
			return i, false
		}
	}
	return i, true
}

// plainEnd returns the first index from i on of a quote, a backslash or a
// control character: there a string ends, has an escape or is at fault. It
// checks eight bytes at a time: most of a document is the content of strings.
func plainEnd(s string, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		w := s[i : i+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		quote, slash := x^'"'*ones, x^'\\'*ones
		// The lowest high bit that is set belongs to the first byte that is below ' ',
		// or that the exclusive or turned to 0.
		found := ((x-' '*ones)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] >= ' ' {
		i++
	}
	return i
}

func scanNumber(s string, i int) (end int, ok bool) {
	if s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if i, ok = scanDigits(s, i); !ok {
		return i, false
	}
	if i < len(s) && s[i] == '.' {
		if i, ok = scanDigits(s, i+1); !ok {
			return i, false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if i, ok = scanDigits(s, i); !ok {
			return i, false
		}
	}
	return i, true
}

// scanDigits requires at least one digit.
func scanDigits(s string, i int) (end int, ok bool) {
	start := i
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i, i > start
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// nameIs reports whether a name in its quotes, perhaps with escapes, is the
// plain name want.
func nameIs(quoted, want string) bool {
	inner := quoted[1 : len(quoted)-1]
	// An escape makes a name longer, by at most six bytes for one.
	if len(want) < len(inner) && len(inner) <= 6*len(want) && strings.IndexByte(inner, '\\') >= 0 {
		inner, _ = unescape(inner)
	}
	return inner == want
}

// unescape resolves the escapes of a valid JSON string. It writes a surrogate
// without its partner as three bytes, so that two different names stay
// different.
func unescape(s string) (text string, lone bool) {
	b := make([]byte, len(s))
	n := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' {
			i++
			switch c = s[i]; c { // a quote, a backslash and a slash stay unchanged
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case 'u':
				u := hex4(s[i+1:])
				i += 4
				if isHigh(u) && strings.HasPrefix(s[i+1:], `\u`) {
					if low := hex4(s[i+3:]); isLow(low) {
						u = 0x10000 + (u-0xd800)<<10 + (low - 0xdc00)
						i += 6
					}
				}
				at := n
				n += utf8.EncodeRune(b[at:], u)
				if isHigh(u) || isLow(u) {
					lone = true
					b[at], b[at+1], b[at+2] = 0xe0|byte(u>>12), 0x80|byte(u>>6&0x3f), 0x80|byte(u&0x3f)
				}
				continue
			}
		}
		b[n] = c
		n++
	}
	return ownString(b[:n]), lone
}

// ownString returns b as a string without a copy. The caller must not use b
// afterwards.
func ownString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func isHigh(u rune) bool { return 0xd800 <= u && u < 0xdc00 }
func isLow(u rune) bool  { return 0xdc00 <= u && u < 0xe000 }

func hex4(s string) (u rune) {
	for i := range 4 {
		u = u<<4 | rune(hexDigit(s[i]))
	}
	return u
}
