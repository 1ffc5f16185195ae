package secret

import "strings"

// The work on one text is bounded: 16 decodings, and in all three times the
// memory of the text and 16 KiB. A text in more layers of quotes and escapes is
// refused like a version document.
const (
	maxUnescapes = 16
	fewUnescaped = 16 << 10
)

// decodings is the remainder of these bounds.
type decodings struct{ tries, bytes int }

const badDisguise = "a version document in quotes, behind a comment or with unquoted names: store the document itself"

// disguised reports whether text holds a version document, sound or damaged, in
// quotes or behind comments. Up to that number of quotes around text may belong
// to a JSON string whose escapes are not resolved yet.
//
// Quotes are removed before escapes are resolved. The order does not matter:
// quotes at the ends of a text are not part of an escape.
func disguised(text string, quotes int, left *decodings) bool {
	for {
		t := trim(text)
		s := t.s
		if s == "" {
			return false
		}
		c := s[0]
		if (c == '"' || c == '\'') && len(s) > 1 && s[len(s)-1] == c {
			if c == '"' || hasControl(text[:t.start]) || hasControl(text[t.start+len(s):]) {
				quotes = 0 // a JSON string around this text would hold them escaped
			}
			text, quotes = s[1:len(s)-1], quotes+1
			continue
		}
		comment := commentEnd(s)
		switch {
		case c == '{' && isVersionDocument(s):
			return true
		case comment == 0 && looksCompact(s, false):
			return true
		}
		if quotes > 0 {
			if left.tries--; left.tries < 0 {
				return true
			}
			if isEscaped(text) {
				if left.bytes -= len(text); left.bytes < 0 {
					return true
				}
				if inside, _ := unescape(text); disguised(inside, quotes-1, left) {
					return true
				}
			}
		}
		if comment == 0 {
			return false
		}
		text, quotes = s[comment:], 0 // escapes are resolved before a comment is removed
	}
}

// commentEnd returns the end of the comment at the beginning of s, and 0 if no
// comment there ends within s.
func commentEnd(s string) int {
	block := strings.HasPrefix(s, "/*")
	i, last := 1, byte('\n')
	switch {
	case block:
		i, last = len("/**"), '/'
	case s[0] != '#' && !strings.HasPrefix(s, "//"):
		return 0
	}
	for ; i < len(s); i++ {
		if s[i] == last && (!block || s[i-1] == '*') {
			return i + 1
		}
	}
	return 0
}

// unquotedName reports whether s begins with current or versions, in single
// quotes or bare.
func unquotedName(s string) bool {
	ends := " \t\n\v\f\r:=,}/#"
	if s[0] == '\'' {
		s, ends = s[1:], "'"
	}
	n := 0
	for n < len(s) && 'a' <= s[n] && s[n] <= 'z' {
		n++
	}
	return n < len(s) && (s[:n] == "current" || s[:n] == "versions") && strings.IndexByte(ends, s[n]) >= 0
}

// isEscaped reports whether s is the inside of a JSON string and holds an
// escape.
func isEscaped(s string) bool {
	end, _, ok := scanInside(s, 0)
	return ok && end == len(s) && strings.IndexByte(s, '\\') >= 0
}

// hasControl reports whether s, which is white space, holds a character that a
// JSON string must escape.
func hasControl(s string) bool {
	end, _ := plainEnd(s, 0)
	return end < len(s)
}
