package secret

import (
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// maxNesting is the limit of encoding/json for nesting.
const maxNesting = 10_000

// skipSpace skips JSON's white space. A document may be surrounded by more
// kinds.
func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// after returns the offset of the token that follows c, which is expected at i
// or after white space, or -1.
func (r *jsonReader) after(i int, c byte) int {
	s := r.s
	if i < 0 {
		return -1
	}
	if i+1 < len(s) && s[i] == c && s[i+1] > ' ' {
		return i + 1 // the case of a text without white space
	}
	if i = skipSpace(s, i); i == len(s) || s[i] != c {
		return r.syntax(i)
	}
	if i = skipSpace(s, i+1); i == len(s) {
		return r.syntax(i)
	}
	return i
}

// str reads the string at i. If it has no escapes, the result is a part of the
// text.
func (r *jsonReader) str(i int) (text string, end int, lone bool) {
	if i >= 0 && i < len(r.s) && r.s[i] == '"' {
		end, high := plainEnd(r.s, i+1)
		if end < len(r.s) && r.s[end] == '"' { // the case of most strings
			r.high |= high
			return r.s[i+1 : end], end + 1, false
		}
	}
	if end = r.stringAt(i); end < 0 {
		return "", -1, false
	}
	text = r.s[i+1 : end-1]
	if r.fault != nil && len(text) > len(`\u0076`)*len("versions") {
		return "", end, false // only the names that this format defines matter now
	}
	r.copied = true
	text, lone = unescape(text)
	return text, end, lone
}

// stringAt returns the end of the string at i, or -1.
func (r *jsonReader) stringAt(i int) int {
	if i < 0 || i == len(r.s) || r.s[i] != '"' {
		return r.syntax(i)
	}
	end, high, ok := scanInside(r.s, i+1)
	r.high |= high
	if !ok || end == len(r.s) {
		return r.syntax(end)
	}
	return end + 1
}

// scalar returns the end of the string, number or literal at i, or -1.
func (r *jsonReader) scalar(i int) int {
	c := r.s[i]
	if c == '"' {
		return r.stringAt(i)
	}
	if c == '-' || '0' <= c && c <= '9' {
		end, ok := scanNumber(r.s, i)
		if !ok {
			return r.syntax(end)
		}
		return end
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(r.s[i:], word) {
			return i + len(word)
		}
	}
	return r.syntax(i)
}

// scanInside returns the end of the string whose content begins at i: its
// closing quote or, if that is missing, the end of s. On a fault it returns the
// offset of the fault. For high see plainEnd.
func scanInside(s string, i int) (end int, high uint64, ok bool) {
	for {
		var part uint64
		i, part = plainEnd(s, i)
		high |= part
		if i == len(s) || s[i] != '\\' {
			return i, high, i == len(s) || s[i] == '"'
		}
		if i++; i == len(s) {
			return i, high, false
		}
		c := s[i]
		if i++; c == 'u' {
			for end := i + 4; i < end; i++ {
				if i == len(s) || hexDigit(s[i]) < 0 {
					return i, high, false
				}
			}
		} else if strings.IndexByte(`"\/bfnrt`, c) < 0 {
			return i - 1, high, false
		}
	}
}

const highBits = 0x8080808080808080

// plainEnd returns the first index from i on of a quote, a backslash or a
// control character: there a string ends, has an escape or is at fault. It
// checks eight bytes at a time: most of a document is the content of strings.
// If a byte before the end is not ASCII, high&highBits is not 0. It may also be
// so for a byte that follows directly.
func plainEnd(s string, i int) (end int, high uint64) {
	const ones = 0x0101010101010101
	for ; i+8 <= len(s); i += 8 {
		x := eight(s, i)
		high |= x
		quote, slash := x^'"'*ones, x^'\\'*ones
		// The lowest high bit that is set belongs to the first byte that is below ' ',
		// or that the exclusive or turned to 0.
		found := ((x-' '*ones)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highBits
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8, high
		}
	}
	for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] >= ' ' {
		high |= uint64(s[i])
		i++
	}
	return i, high
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

// unescape resolves the escapes of a valid JSON string. It writes a surrogate
// without its partner as three bytes, so that two different names stay
// different.
func unescape(s string) (text string, lone bool) {
	b := make([]byte, len(s))
	n := 0
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			n += copy(b[n:], s)
			return ownString(b[:n]), lone
		}
		n += copy(b[n:], s[:i])
		c := s[i+1]
		s = s[i+2:]
		if k := strings.IndexByte("bfnrt", c); k >= 0 {
			c = "\b\f\n\r\t"[k]
		} else if c == 'u' {
			u := hex4(s)
			s = s[4:]
			if utf16.IsSurrogate(u) {
				pair := rune(utf8.RuneError)
				if strings.HasPrefix(s, `\u`) {
					pair = utf16.DecodeRune(u, hex4(s[2:]))
				}
				if pair == utf8.RuneError {
					lone = true
					n += copy(b[n:], []byte{0xe0 | byte(u>>12), 0x80 | byte(u>>6&0x3f), 0x80 | byte(u&0x3f)})
					continue
				}
				u, s = pair, s[6:]
			}
			n += utf8.EncodeRune(b[n:], u)
			continue
		}
		b[n] = c // a quote, a backslash and a slash stay unchanged
		n++
	}
}

// ownString returns b as a string without a copy. The caller must not use b
// afterwards.
func ownString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func hex4(s string) (u rune) {
	for i := range 4 {
		u = u<<4 | rune(hexDigit(s[i]))
	}
	return u
}
