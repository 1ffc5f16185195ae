// Package dotenv reads and writes the files of variables that programs call
// .env or .dev.vars.
//
// The format has no standard: godotenv, npm's dotenv, Docker and shells read
// many lines differently. A value that is read wrongly is a secret that is
// changed silently. So Parse returns a value only if its line has one obvious
// meaning, and a reason otherwise. It expands no variables, neither those of the
// file nor those of the process. Quote writes lines that Parse and godotenv read
// back exactly, and NPM reports the values that npm's dotenv reads in another
// way.
package dotenv

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// Entry is one variable of a file.
type Entry struct {
	Name  string
	Line  int // of the name, from 1
	Value driver.Value
	// Problem is the reason why programs read this value differently. The Value is
	// then empty.
	Problem string
	// Comment reports whether text behind a value without quotes was skipped as a
	// comment.
	Comment bool
}

// SyntaxError is an error that makes the rest of a file unreadable. It shows no
// part of the file.
type SyntaxError struct {
	Line   int
	Reason string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// The reasons for a [SyntaxError].
const (
	noPair     = "it is not of the form NAME=VALUE"
	noEnd      = "the quotes that begin here do not end"
	afterQuote = "text follows the closing quote: put the whole value in quotes"
	backQuote  = "a backslash is before a single quote within single quotes, which programs read differently: use " +
		"double quotes"
	bareReturn  = "it has a carriage return without a newline: save the file with the line ends of Unix"
	unknownByte = "it has a zero byte"
)

// The reasons for an [Entry.Problem].
const (
	isReference = "it contains a reference such as $NAME, and layer expands none: write the value itself, and put a $ " +
		"that belongs to it in single quotes"
	escapedBare = "it has \\$ outside quotes, which programs read differently: put the value in single quotes"
	hashInValue = "it has a # outside quotes, where some programs begin a comment: put the value in quotes"
	backtick    = "it begins with a backtick, which some programs read as a quote: use single or double quotes"
	otherEscape = "it has a backslash in double quotes that is none of \\\\ \\\" \\$ \\n \\r: write \\\\ for a " +
		"backslash, " +
		"or use single quotes"
	foreignSpace = "white space that is not ASCII is at its end or beginning: put the value in quotes"
)

// Empty is the name of a variable that a file does not define. Quote uses a
// reference to it, because godotenv removes every double quote at the end of a
// value.
const Empty = "EMPTY"

const emptyReference = "${" + Empty + "}"

// reference matches the start of a text that godotenv, or a program that also
// expands lower-case names in braces, replaces outside single quotes.
var reference = lazyregexp.New(`\$(?:\(|\{?[A-Z0-9_]|\{[a-z])`)

// refers reports whether a text begins with a reference.
func refers(text string) bool {
	at := reference().FindStringIndex(text[:min(len(text), 3)])
	return at != nil && at[0] == 0
}

// Parse returns the variables of a file, in their order. Names may repeat. An
// error is a [SyntaxError].
func Parse(text string) ([]Entry, error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if at := strings.IndexAny(text, "\r\x00"); at >= 0 {
		reason := bareReturn
		if text[at] == 0 {
			reason = unknownByte
		}
		return nil, &SyntaxError{1 + strings.Count(text[:at], "\n"), reason}
	}
	p := parser{rest: text, line: 1}
	var list []Entry
	var borrowing []int // the entries that refer to Empty
	defined := false
	for p.next() {
		e := Entry{Line: p.line}
		var ok bool
		if e.Name, ok = p.name(); !ok {
			return nil, &SyntaxError{p.line, noPair}
		}
		value, borrows, reason := p.value(&e)
		if reason != "" {
			return nil, &SyntaxError{p.line, reason}
		}
		if e.Problem == "" {
			e.Value = driver.NewValue(value)
		}
		if borrows {
			borrowing = append(borrowing, len(list))
		}
		defined = defined || e.Name == Empty
		list = append(list, e)
	}
	for _, i := range borrowing {
		if defined {
			list[i].Value, list[i].Problem = driver.Value{}, isReference
		}
	}
	return list, nil
}

// parser reads a text whose lines end with newlines.
type parser struct {
	rest string
	line int
}

// take removes n bytes from the text and returns them.
func (p *parser) take(n int) string {
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	p.line += strings.Count(taken, "\n")
	return taken
}

// next skips empty lines and comments. It returns false at the end.
func (p *parser) next() bool {
	for {
		p.take(len(p.rest) - len(strings.TrimLeftFunc(p.rest, unicode.IsSpace)))
		if !strings.HasPrefix(p.rest, "#") {
			return p.rest != ""
		}
		p.take(lineEnd(p.rest))
	}
}

const blanks = " \t\v\f"

// name reads a name and the = after it.
func (p *parser) name() (string, bool) {
	if after, ok := strings.CutPrefix(p.rest, "export"); ok && strings.IndexAny(after, blanks) == 0 {
		p.rest = strings.TrimLeft(after, blanks)
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return !isName(r) })
	if end <= 0 {
		return "", false
	}
	name := p.take(end)
	after, ok := strings.CutPrefix(strings.TrimLeft(p.rest, blanks), "=")
	p.rest = strings.TrimLeft(after, blanks)
	return name, ok
}

// isName reports whether a character may be in a name. Addresses contain a
// hyphen, dots and the $ of $SECRET.
func isName(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_.-$", r)
}

func lineEnd(text string) int {
	if at := strings.IndexByte(text, '\n'); at >= 0 {
		return at
	}
	return len(text)
}

// value reads a value and the rest of the line. borrows reports that it ends
// with a reference to Empty. reason is that of a SyntaxError.
func (p *parser) value(e *Entry) (value string, borrows bool, reason string) {
	if p.rest == "" {
		return "", false, ""
	}
	switch p.rest[0] {
	case '\'':
		value, reason = p.single()
	case '"':
		value, borrows, reason = p.double(e)
	default:
		return p.bare(e), false, ""
	}
	if reason != "" {
		return "", false, reason
	}
	behind := p.take(lineEnd(p.rest))
	if after := strings.TrimLeft(behind, blanks); after != "" && after[0] != '#' {
		return "", false, afterQuote
	}
	return value, borrows, ""
}

// single reads a value in single quotes. Everything in them is literal.
func (p *parser) single() (value, reason string) {
	end := strings.IndexByte(p.rest[1:], '\'')
	switch {
	case end < 0:
		return "", noEnd
	case end > 0 && p.rest[end] == '\\':
		return "", backQuote
	}
	quoted := p.take(end + 2)
	return quoted[1 : end+1], ""
}

// escapes are the characters after a backslash in double quotes, and their
// meaning. godotenv writes the last two.
var escapes = map[byte]byte{'n': '\n', 'r': '\r', '\\': '\\', '"': '"', '$': '$', '!': '!', '`': '`'}

// double reads a value in double quotes.
func (p *parser) double(e *Entry) (value string, borrows bool, reason string) {
	var b strings.Builder
	text := p.rest
	i := 1
	for ; i < len(text) && text[i] != '"'; i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			c, known := escapes[text[i]]
			if !known {
				e.Problem = otherEscape
			}
			b.WriteByte(c)
		case strings.HasSuffix(text[:i], `\"`) && strings.HasPrefix(text[i:], emptyReference+`"`):
			borrows = true
			i += len(emptyReference) - 1
		case refers(text[i:]):
			e.Problem = isReference
			b.WriteByte('$')
		default:
			b.WriteByte(text[i])
		}
	}
	if i >= len(text) {
		return "", false, noEnd
	}
	i++
	// Quote writes a second quote after a backslash at the end.
	if strings.HasSuffix(b.String(), `\`) && !borrows && strings.HasPrefix(text[i:], `"`) {
		i++
	}
	p.take(i)
	return b.String(), borrows, ""
}

// bare reads a value without quotes.
func (p *parser) bare(e *Entry) string {
	line := p.take(lineEnd(p.rest))
	for at := range len(line) {
		if line[at] == '#' && at > 0 && strings.IndexByte(blanks, line[at-1]) >= 0 {
			line, e.Comment = line[:at], true
			break
		}
	}
	value := strings.Trim(line, blanks)
	switch {
	case strings.Contains(value, "#"):
		e.Problem = hashInValue
	case strings.HasPrefix(value, "`"):
		e.Problem = backtick
	case strings.Contains(value, `\$`):
		e.Problem = escapedBare
	case reference().MatchString(value):
		e.Problem = isReference
	case strings.TrimFunc(value, isAnySpace) != value:
		e.Problem = foreignSpace
	}
	return value
}

// isAnySpace reports whether godotenv or npm's dotenv trims a character.
func isAnySpace(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }
