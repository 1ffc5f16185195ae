package secret

import (
	"strings"
	"time"
)

// looksCompact reports whether every segment of s is KEY=VALUE, KEY being
// current, v<digits> or v<digits>_ and anything, and at least one KEY is
// v<digits>. A text that begins with current= is compact without this check.
// With version, a KEY of any form is accepted.
func looksCompact(s string, version bool) bool {
	if strings.HasPrefix(s, "current=") {
		return true
	}
	for rest := s; rest != ""; {
		var segment string
		segment, rest = cutSegment(rest, ';')
		if segment == "" {
			continue
		}
		key, _, ok := cut(segment, '=')
		if !ok {
			return false
		}
		id, _, attribute := cut(key, '_')
		switch {
		case isVDigits(id):
			version = version || !attribute
		case key != "current":
			return false
		}
	}
	return version
}

// holdsVersionLine reports whether a line of value after the first is
// KEY=VALUE, as in looksCompact: the text has one version a line.
func holdsVersionLine(value string) bool {
	return strings.IndexByte(value, '=') >= 0 && (hasVersionLine(value, '\n') || hasVersionLine(value, '\r'))
}

func hasVersionLine(value string, lineBreak byte) bool {
	_, rest := cutSegment(value, lineBreak)
	for rest != "" {
		var line string
		line, rest = cutSegment(rest, lineBreak)
		if line != "" && looksCompact(line, true) {
			return true
		}
	}
	return false
}

// cut is strings.Cut for a separator of one byte: a Worker then does not hold the
// search for longer ones. It is not inlined, for the same reason as because.
//
//go:noinline
func cut(s string, separator byte) (before, after string, found bool) {
	if i := strings.IndexByte(s, separator); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// cutSegment returns the text up to the next separator without surrounding
// white space, and the text after it.
func cutSegment(s string, separator byte) (segment, rest string) {
	segment, rest, _ = cut(s, separator)
	_, segment = cutLeadingSpace(segment)
	return trimTrailingSpace(segment), rest
}

// attribute is a time that does not follow its version directly.
type attribute struct {
	_          uncomparable
	id, suffix string
	time       time.Time
}

// segments iterates over the segments of a compact text that are not empty.
type segments struct {
	rest    string
	pos     int    // the offset of rest in the text
	at      int    // the offset of segment
	segment string // without white space around it
}

// next moves to the next segment, and reports whether there is one.
func (s *segments) next() bool {
	for s.rest != "" {
		raw, rest, _ := cut(s.rest, ';')
		lead, segment := cutLeadingSpace(raw)
		s.at, s.segment = s.pos+lead, trimTrailingSpace(segment)
		s.pos, s.rest = s.pos+len(raw)+1, rest
		if s.segment != "" {
			return true
		}
	}
	return false
}

func parseCompact(t trimmed) (*document, error) {
	count := countCompact(t.s)
	// The versions may take many times the memory of the text.
	if checksDense && count > fewEntries && count*entrySize > 3*len(t.s) {
		if fault := checkCompact(t); fault != nil {
			return nil, fault
		}
	}
	d := &document{format: FormatCompact, entries: make([]entry, 0, count)}
	var early []int32 // the offsets of attributes that do not follow their version
	for s := (segments{rest: t.s}); s.next(); {
		a, fault := d.addSegment(s.segment)
		if fault != nil {
			return nil, fault.at(t.start + s.at)
		}
		if a.id != "" {
			early = append(early, int32(s.at))
		}
	}
	if len(d.entries) == 0 {
		return nil, malformed("", "", "a compact version document without a version")
	}
	if twice := d.seal(false); twice >= 0 {
		return nil, malformed(d.entries[twice].id, "", "given twice")
	}
	for _, at := range early {
		a := attributeAt(t.s, int(at))
		i := d.find(a.id)
		if i < 0 {
			return nil, malformed(a.id, a.suffix, badOrphan).at(t.start + int(at))
		}
		if fault := d.entries[i].setTime(a); fault != nil {
			return nil, fault.at(t.start + int(at))
		}
	}
	lines := strings.IndexByte(t.s, '\n') >= 0 || strings.IndexByte(t.s, '\r') >= 0
	for i := range d.entries {
		e := &d.entries[i]
		if !lifeInOrder(e.activeFrom, e.expiresAt) {
			return nil, malformed(e.id, "expires", badLife)
		}
		if lines && holdsVersionLine(e.text) {
			return nil, malformed(e.id, "", badLine)
		}
	}
	return d, nil
}

// countCompact returns the number of versions in a compact text: keys without an
// underscore. It may be one too high, and for a text with a fault any number.
func countCompact(s string) (n int) {
	if strings.HasPrefix(s, "current=") {
		n = -1
	}
	for i := 0; i < len(s); i++ {
		for i < len(s) && s[i] != '=' && s[i] != '_' && s[i] != ';' {
			i++
		}
		if i < len(s) && s[i] == '=' {
			n++
		}
		end := strings.IndexByte(s[i:], ';')
		if end < 0 {
			break
		}
		i += end
	}
	return n
}

const (
	badOrphan = "belongs to a version that has no value"
	badLife   = "not after active"
	badLine   = `its value has a line that begins like another version: put ";" between them`
)

// attributeAt returns the attribute at an offset where addSegment found one.
func attributeAt(s string, at int) attribute {
	segment, _ := cutSegment(s[at:], ';')
	a, _ := new(document).addSegment(segment)
	return a
}

// addSegment adds one KEY=VALUE to d, or returns an attribute whose version d
// does not hold yet.
func (d *document) addSegment(segment string) (a attribute, fault *Error) {
	key, value, ok := cut(segment, '=')
	if !ok {
		return a, malformed("", "", `a segment without "="`)
	}
	id, suffix, isAttribute := cut(key, '_')
	if !validCompactID(id) {
		return a, malformed("", "",
			`not an id: letters, digits, "." and "-", the first a letter or digit, no white space beside "="`)
	}
	member := shownSuffix(suffix)
	if key == "current" {
		member = key
	}
	switch {
	case value == "":
		return a, malformed(id, member, "empty")
	case isSpace(value[0]):
		return a, malformed(id, member, `white space beside "="`)
	case key == "current":
		if d.marker != "" {
			return a, malformed("", member, "given twice")
		}
		if !validCompactID(value) {
			return a, malformed("", member, "names no version: not an id")
		}
		d.marker = value
		return a, nil
	case !isAttribute:
		d.add(id, value)
		return a, nil
	case member == "":
		return a, malformed(id, "", "an unknown attribute: _expires and _active are known")
	}
	a = attribute{id: id, suffix: suffix}
	if a.time, ok = parseTime(value); !ok {
		return attribute{}, malformed(id, member, badTime)
	}
	// An attribute nearly always follows its version, which then needs no search.
	if n := len(d.entries); n > 0 && d.entries[n-1].id == id {
		return attribute{}, d.entries[n-1].setTime(a)
	}
	return a, nil
}

// setTime sets the time in a on e.
func (e *entry) setTime(a attribute) *Error {
	t := &e.expiresAt
	if a.suffix == "active" {
		t = &e.activeFrom
	}
	if !t.IsZero() {
		return malformed(a.id, shownSuffix(a.suffix), "given twice")
	}
	*t = a.time
	return nil
}

// shownSuffix returns s if it is a known suffix: any other suffix may be a
// piece of a value.
func shownSuffix(s string) string {
	if s == "expires" || s == "active" {
		return s
	}
	return ""
}

// validCompactID reports whether s is of the form [A-Za-z0-9][A-Za-z0-9.-]*.
func validCompactID(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case (c == '.' || c == '-') && i > 0:
		default:
			return false
		}
	}
	return s != ""
}
