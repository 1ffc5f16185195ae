package secret

import (
	"encoding/json"
	"strings"
)

// endsWithNewline reports whether text is of a kind that normally ends with a
// newline and is read without the white space around it: a JSON object or
// array, or PEM. A JSON number or string is none: it may be a password.
func endsWithNewline(text string) bool {
	trimmed := strings.TrimFunc(text, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
	if trimmed[0] == '{' || trimmed[0] == '[' {
		return json.Valid([]byte(text))
	}
	return isPEM(trimmed)
}

// isPEM reports whether the last line of text ends a PEM block. Other text may
// precede the block, as in the files that OpenSSL writes.
func isPEM(text string) bool {
	const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"
	last := text[strings.LastIndexByte(text, '\n')+1:]
	label, isEnd := strings.CutPrefix(last, end)
	label, whole := strings.CutSuffix(label, dashes)
	if !isEnd || !whole {
		return false
	}
	opening := begin + label + dashes
	return strings.HasPrefix(text, opening) || strings.Contains(text, "\n"+opening)
}
