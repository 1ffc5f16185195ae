package secret

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Encode returns a text that [Parse] reads as the same document: the same
// versions in the same order with the same lives, the same current version, and
// the same further JSON members, those other than current, versions, value,
// activeFrom and expiresAt. FormatAuto means the format that the document is
// stored in.
//
// If a format cannot hold the document, the error wraps [ErrEncoding] and
// contains the reason. Compact holds no ';', no white space at either end of a
// value, no line that begins like another version, no other members, and only
// ids of letters, digits, '.' and '-'. Plain holds only a single version v1
// without times whose text would not be parsed as another format. JSON holds
// only UTF-8. A text over 1 MiB is [ErrTooLarge].
func (d *Document) Encode(f Format) (string, error) {
	data := d.data()
	if f == FormatAuto {
		f = data.format
	}
	refuse := func(id, member string, err error) (string, error) {
		return "", &Error{Op: "encode", Address: data.addr(), Version: id, Member: member, Err: err}
	}
	if len(data.entries) == 0 {
		return refuse("", "", because(ErrEncoding, "the document holds no version"))
	}
	var text string
	var why unfit
	switch f {
	case FormatPlain:
		text, why = data.encodePlain()
	case FormatJSON:
		text, why = data.encodeJSON()
	case FormatCompact:
		text, why = data.encodeCompact()
	default:
		return refuse("", "", because(ErrInvalid, "not one of FormatPlain, FormatJSON and FormatCompact"))
	}
	if why.text != "" {
		return refuse(why.id, why.member, because(ErrEncoding, why.text))
	}
	if len(text) > maxText {
		return refuse("", "", because(ErrTooLarge, "the text would be over 1 MiB"))
	}
	// The proof of the promise: this finds every case that the checks above
	// overlook, so no text is returned that means another document.
	if back, err := parse(text, FormatAuto); err != nil || back.format != f || !back.same(data) {
		return refuse("", "", because(ErrEncoding, "the text would be read as another document"))
	}
	return text, nil
}

// unfit is the reason why a format cannot hold the document.
type unfit struct{ id, member, text string }

func (d *document) encodePlain() (string, unfit) {
	e := &d.entries[0]
	switch {
	case len(d.entries) > 1:
		return "", unfit{text: "a plain value is a single version"}
	case e.id != "v1":
		return "", unfit{id: e.id, text: "a plain value is version v1"}
	case !e.activeFrom.IsZero() || !e.expiresAt.IsZero():
		return "", unfit{id: e.id, text: "a plain value has no times"}
	case d.extra != "" || e.extra != "":
		return "", unfit{id: e.id, text: "a plain value has no other members"}
	}
	return e.text, unfit{}
}

func (d *document) encodeCompact() (string, unfit) {
	if d.extra != "" {
		return "", unfit{text: "the compact format has no other members"}
	}
	if d.marker != "" && !validCompactID(d.marker) {
		return "", unfit{member: "current", text: "the compact format holds no such id"}
	}
	var b strings.Builder
	put := func(key, suffix, value string) {
		if b.Len() > 0 {
			b.WriteByte(';')
		}
		b.WriteString(key)
		b.WriteString(suffix)
		b.WriteByte('=')
		b.WriteString(value)
	}
	if d.marker != "" {
		put("current", "", d.marker)
	}
	for i := range d.entries {
		e := &d.entries[i]
		switch {
		case !validCompactID(e.id) || e.id == "current":
			return "", unfit{id: e.id, text: "the compact format holds no such id"}
		case d.marker == "" && !isVDigits(e.id):
			return "", unfit{id: e.id, text: "without a current version named, the compact format is known only by ids like v1"}
		case strings.IndexByte(e.text, ';') >= 0:
			return "", unfit{id: e.id, text: "the compact format holds no value with a ';'"}
		case isSpace(e.text[0]) || isSpace(e.text[len(e.text)-1]):
			return "", unfit{id: e.id, text: "the compact format holds no value with white space at an end"}
		case holdsVersionLine(e.text):
			return "", unfit{id: e.id, text: "the compact format holds no value with a line that begins like another version"}
		case e.extra != "":
			return "", unfit{id: e.id, text: "the compact format has no other members"}
		}
		put(e.id, "", e.text)
		if !e.activeFrom.IsZero() {
			put(e.id, "_active", formatTime(e.activeFrom))
		}
		if !e.expiresAt.IsZero() {
			put(e.id, "_expires", formatTime(e.expiresAt))
		}
	}
	return b.String(), unfit{}
}

func (d *document) encodeJSON() (string, unfit) {
	if !utf8.ValidString(d.marker) {
		return "", unfit{member: "current", text: "JSON holds only UTF-8"}
	}
	b := []byte{'{'}
	if d.marker != "" {
		b = append(b, `"current":`...)
		b = appendQuoted(b, d.marker)
		b = append(b, ',')
	}
	b = append(b, `"versions":{`...)
	for i := range d.entries {
		e := &d.entries[i]
		if !utf8.ValidString(e.id) || !utf8.ValidString(e.text) {
			return "", unfit{id: e.id, text: "JSON holds only UTF-8"}
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, e.id)
		b = append(b, `:{"value":`...)
		b = appendQuoted(b, e.text)
		b = appendLife(b, e.activeFrom, e.expiresAt)
		b = appendMembers(b, e.extra)
		b = append(b, '}')
	}
	b = append(b, '}')
	b = appendMembers(b, d.extra)
	return string(append(b, '}')), unfit{}
}

func appendLife(b []byte, activeFrom, expiresAt time.Time) []byte {
	if !activeFrom.IsZero() {
		b = append(append(append(b, `,"activeFrom":"`...), formatTime(activeFrom)...), '"')
	}
	if !expiresAt.IsZero() {
		b = append(append(append(b, `,"expiresAt":"`...), formatTime(expiresAt)...), '"')
	}
	return b
}

func appendMembers(b []byte, members string) []byte {
	if members == "" {
		return b
	}
	return append(append(b, ','), members...)
}

func appendQuoted(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// same reports whether all reads of d, the document parsed from the new text,
// return the same as reads of o.
func (d *document) same(o *document) bool {
	if len(d.entries) != len(o.entries) || d.current != o.current || d.extra != o.extra {
		return false
	}
	// A plain text has no marker; a marker that names its only version adds
	// nothing.
	if d.marker != o.marker && (d.format != FormatPlain || o.marker != o.entries[0].id) {
		return false
	}
	for i := range d.entries {
		a, b := &d.entries[i], &o.entries[i]
		if a.id != b.id || a.text != b.text || a.extra != b.extra ||
			!a.activeFrom.Equal(b.activeFrom) || !a.expiresAt.Equal(b.expiresAt) {
			return false
		}
	}
	return true
}
