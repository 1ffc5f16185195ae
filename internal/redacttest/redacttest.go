// Package redacttest searches for a value in all the output that a program
// could print. Only tests use it.
package redacttest

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// output is one way of printing v, and the printed text.
type output struct{ how, text string }

// Check prints v in every way that this package knows. It returns the ways that
// show a part of one of the values, each with the spelling. The result contains
// no part of a value.
func Check(v any, values ...string) []string {
	outputs := printed(v)
	// Usually nothing is found, and one search in all outputs proves it.
	var all strings.Builder
	for _, o := range outputs {
		all.WriteString(o.text)
		all.WriteByte('\n')
	}
	everything := read(all.String())
	var found []string
	for _, value := range values {
		if everything.find(value) == "" {
			continue
		}
		for _, o := range outputs {
			if spelling := Find(o.text, value); spelling != "" {
				found = append(found, o.how+" shows it "+spelling)
			}
		}
	}
	return found
}

const (
	verbs = "vsqxXdtTpbocUegwz"
	// Single flags, those that fmt accepts together, and all at once.
	flags = ",+,#,-, ,0,+#,# ,#0,+#- 0"
)

func printed(v any) []output {
	var outputs []output
	seen := map[string]bool{}
	add := func(how, text string) {
		if !seen[text] {
			seen[text] = true
			outputs = append(outputs, output{how, text})
		}
	}
	for _, verb := range verbs {
		for _, flag := range append(strings.Split(flags, ","), "200", ".12") {
			format := "%" + flag + string(verb)
			add(format, fmt.Sprintf(format, v))
		}
	}
	add("fmt.Sprint", fmt.Sprint(v))
	add("fmt.Sprintln", fmt.Sprintln(v))
	add("fmt.Errorf", fmt.Errorf("wrapped: %w, %v", asError(v), v).Error())

	encoded := func(how string, b []byte, err error) {
		add(how, string(b))
		if err != nil {
			add(how+"'s error", fmt.Sprintf("%v %+v %#v", err, err, err))
		}
	}
	b, err := json.Marshal(v)
	encoded("encoding/json", b, err)
	b, err = xml.Marshal(v)
	encoded("encoding/xml", b, err)
	b, err = asGob(v)
	encoded("encoding/gob", b, err)

	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"slog JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var buf bytes.Buffer
		log := slog.New(handler(&buf))
		log.Info("m", "k", v)
		log.With("k", v).WithGroup("g").Info("m", slog.Group("h", "k", v))
		add(name, buf.String())
	}
	return outputs
}

// asGob encodes v, and returns an error if gob panics on a nil pointer.
func asGob(v any) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	var buf bytes.Buffer
	err = gob.NewEncoder(&buf).Encode(v)
	return buf.Bytes(), err
}

func asError(v any) error {
	err, _ := v.(error)
	return err
}

const window = 8

// Find returns the spelling in which text contains value, or any eight
// consecutive bytes of value, or "" if there is none. It knows the spellings of
// fmt and of the encoders for strings, bytes and runes: verbatim, quoted, in
// hex, octal, binary, decimal, one by one, in base64.
func Find(text, value string) string { return read(text).find(value) }

// reading is a text in the forms in which spellings are searched for.
type reading struct{ text, upper, digits, numbers, chars string }

func read(text string) reading {
	return reading{
		text:    text,
		upper:   strings.ToUpper(text),
		digits:  strings.ToLower(betweenHex.Replace(text)),
		numbers: numbers(text),
		chars:   betweenChars.Replace(text),
	}
}

func (r reading) find(value string) string {
	if value == "" {
		return ""
	}
	for i := 0; i == 0 || i+window <= len(value); i++ {
		part := value[i:min(i+window, len(value))]
		switch {
		case strings.Contains(r.text, part):
			return "as it is"
		case strings.Contains(r.text, inner(strconv.Quote(part))),
			strings.Contains(r.text, inner(strconv.QuoteToASCII(part))),
			strings.Contains(r.text, jsonString(part)):
			return "quoted"
		case strings.Contains(r.digits, hex.EncodeToString([]byte(part))):
			return "in hex"
		case strings.Contains(r.numbers, each(part, 10)):
			return "in decimal"
		case strings.Contains(r.numbers, each(part, 8)):
			return "in octal"
		case strings.Contains(r.numbers, each(part, 2)):
			return "in binary"
		case strings.Contains(r.upper, codePoints(part)):
			return "as code points"
		case strings.Contains(r.chars, strings.Join(strings.Split(part, ""), " ")):
			return "as single characters"
		}
		// Nine bytes are twelve characters, wherever the encoding began.
		if i+window+1 <= len(value) {
			nine := []byte(value[i : i+window+1])
			if strings.Contains(r.text, base64.StdEncoding.EncodeToString(nine)) ||
				strings.Contains(r.text, base64.URLEncoding.EncodeToString(nine)) {
				return "in base64"
			}
		}
	}
	return ""
}

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

func jsonString(s string) string {
	b, _ := json.Marshal(s)
	return inner(string(b))
}

// each writes the bytes of s one by one, with a space on both sides of each.
func each(s string, base int) string {
	b := []byte{' '}
	for i := range len(s) {
		b = append(strconv.AppendUint(b, uint64(s[i]), base), ' ')
	}
	return string(b)
}

func codePoints(s string) string {
	b := make([]string, len(s))
	for i := range len(s) {
		b[i] = fmt.Sprintf("U+%04X", s[i])
	}
	return strings.Join(b, " ")
}

var (
	betweenHex   = strings.NewReplacer("0x", "", "0X", "", `\x`, "", " ", "", ",", "", "[", "", "]", "", "{", "", "}", "")
	betweenChars = strings.NewReplacer("'", "", ",", "")
	// For a wrong verb fmt writes %!e(uint8=107), and for %e 1.07e+02. The text
	// beside the number belongs to fmt, so it is removed.
	noNumbers = strings.NewReplacer("int8=", " ", "int16=", " ", "int32=", " ", "int64=", " ", "0b", " ", "0o", " ", "0x",
		" ", `\x`, " ")
)

// numbers returns all decimal digits in text as numbers, with a space on both
// sides of each.
func numbers(text string) string {
	text = noNumbers.Replace(text)
	b := []byte{' '}
	for i := range len(text) {
		switch c := text[i]; {
		case c == '0' && b[len(b)-1] == ' ': // leading
		case '0' <= c && c <= '9':
			b = append(b, c)
		case b[len(b)-1] != ' ':
			b = append(b, ' ')
		}
	}
	return string(append(b, ' '))
}
