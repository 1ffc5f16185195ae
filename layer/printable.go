package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Names, places and errors come from ledgers, targets, servers and the
// environment, and may contain control sequences that change a terminal. So all
// text for people goes through line, row and lines, which escape them. JSON
// goes through writeJSON.

// printable returns text on one line. It escapes control characters, characters
// that are invisible or change the writing direction, and bytes that are not
// UTF-8.
func printable(text string) string {
	if !strings.ContainsFunc(text, isHidden) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case !isHidden(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		text = text[size:]
	}
	return b.String()
}

// blank are characters that count as printable, but show nothing.
const blank = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"

func isHidden(r rune) bool {
	if r < 0x7f { // most names, and much faster
		return r < ' '
	}
	return r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune(blank, r)
}

// line prints exactly one line, even if an argument contains newlines.
func (s *screen) line(format string, args ...any) {
	fmt.Fprintln(s, printable(fmt.Sprintf(format, args...)))
}

// row prints cells for another program, separated by tabs.
func (s *screen) row(cells ...string) { writeRow(s, cells...) }

func writeRow(w io.Writer, cells ...string) {
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	_, _ = io.WriteString(w, strings.Join(cells, "\t")+"\n")
}

// lines prints a text of several lines.
func (s *screen) lines(text string) {
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		fmt.Fprintln(s, printable(line))
	}
}

// severalLines is an error whose text is a list with one entry a line. In every
// other error a newline belongs to a name and is escaped.
type severalLines struct{ error }

func (e severalLines) Unwrap() error { return e.error }

// writeJSON writes v as JSON and a newline. It also escapes the characters that
// printable escapes and encoding/json does not. The meaning is the same.
func writeJSON(w io.Writer, v any, indent string) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	text := b.String()
	if strings.ContainsFunc(text, escapedInJSON) {
		var safe strings.Builder
		for _, r := range text {
			switch {
			case !escapedInJSON(r):
				safe.WriteRune(r)
			case r < 0x10000:
				fmt.Fprintf(&safe, `\u%04x`, r)
			default:
				high, low := utf16.EncodeRune(r)
				fmt.Fprintf(&safe, `\u%04x\u%04x`, high, low)
			}
		}
		text = safe.String()
	}
	_, err := io.WriteString(w, text)
	return err
}

// escapedInJSON reports whether writeJSON escapes a character. Such characters
// occur only in strings.
func escapedInJSON(r rune) bool { return r != '\n' && r != utf8.RuneError && isHidden(r) }
