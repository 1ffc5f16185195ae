package secret

import (
	"strings"
	"time"
	"unicode/utf8"
)

// parseJSON parses a text that scanJSON found to be one valid object with an
// object "versions". It checks the rules of a version document alone, and relies
// on the syntax.
func parseJSON(t trimmed, o jsonShape) (*document, error) {
	if !utf8.ValidString(t.s) {
		return nil, malformed("", "", "invalid UTF-8 in a JSON version document").at(t.start + invalidUTF8(t.s))
	}
	r := jsonReader{s: t.s, base: t.start, shape: o}
	if o.versions > fewEntries && o.versions > len(t.s)/entrySize {
		// The versions will take more memory than the text: see checkCompact.
		r.checks, r.doc = true, new(document)
		if err := r.document(); err != nil {
			return nil, err
		}
		r.checks = false
	}
	r.doc = &document{format: FormatJSON, entries: make([]entry, 0, o.versions)}
	if err := r.document(); err != nil {
		return nil, err
	}
	return r.doc, nil
}

func invalidUTF8(s string) int {
	for i := 0; i < len(s); {
		c, n := utf8.DecodeRuneInString(s[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(s)
}

type jsonReader struct {
	s      string
	base   int // where s starts in the stored text
	shape  jsonShape
	doc    *document
	copied bool // something in doc is not a part of s
	checks bool // only faults are looked for: doc holds one version at a time

	// Memory that is used again and again.
	names []int32 // where the names begin that this format does not name, in the objects that are open
	marks []int32 // for each bracket that skip has open: where its names begin, or -1 for an array
	table offsets
	a, b  []byte // for names with escapes
}

// fault returns an error with the place in the stored text. It is not inlined,
// for the same reason as because.
//
//go:noinline
func (r *jsonReader) fault(id, member string, at int, why string) error {
	return malformed(id, member, why).at(r.base + at)
}

func (r *jsonReader) document() error {
	var extra extraMembers
	seenCurrent, seenVersions := false, false
	for m := membersOf(0); m.next(r); {
		switch m.name {
		case "current":
			if seenCurrent {
				return r.fault("", "current", m.at, "given twice")
			}
			seenCurrent = true
			text, err := r.optionalString("", "current", &m)
			if err != nil {
				return err
			}
			r.doc.marker = text
		case "versions":
			if seenVersions {
				return r.fault("", "versions", m.at, "given twice")
			}
			seenVersions = true
			if r.s[m.value] != '{' {
				return r.fault("", "versions", m.value, "not an object")
			}
			if err := r.versions(&m); err != nil {
				return err
			}
		default:
			if err := r.unnamed("", &m, &extra); err != nil {
				return err
			}
		}
	}
	if err := r.closeNames("", 0); err != nil {
		return err
	}
	if r.checks {
		return nil
	}
	r.doc.extra = r.join(&extra)
	if twice := r.doc.seal(r.copied); twice >= 0 {
		return malformed(r.doc.entries[twice].id, "", idTwice)
	}
	return nil
}

// versions reads the object at m.value, and sets m.end.
func (r *jsonReader) versions(m *members) error {
	v := membersOf(m.value)
	mark := len(r.names)
	for v.next(r) {
		if v.escaped {
			v.name, _, v.loneSurrogate = r.str(v.at)
		}
		if v.name == "" || v.loneSurrogate {
			return r.fault("", "", v.at, "a version id that is empty or holds a lone surrogate")
		}
		if r.s[v.value] != '{' {
			return r.fault(v.name, "", v.value, "a version that is not an object with a \"value\"")
		}
		if r.checks {
			r.doc.entries = r.doc.entries[:0]
			r.addName(v.at)
		}
		r.doc.entries = append(r.doc.entries, entry{id: v.name})
		if err := r.version(&v); err != nil {
			return err
		}
	}
	m.end = v.end
	ids := r.names[mark:]
	r.names = r.names[:mark]
	if r.repeats(ids) {
		return malformed("", "", idTwice)
	}
	return nil
}

const idTwice = "a version id given twice"

// version reads the object at m.value into the last entry, and sets m.end.
func (r *jsonReader) version(m *members) error {
	id := m.name
	e := &r.doc.entries[len(r.doc.entries)-1]
	var seenValue, seenFrom, seenEnd bool
	var extra extraMembers
	mark := len(r.names)
	f := membersOf(m.value)
	for f.next(r) {
		var twice *bool
		var err error
		switch f.name {
		case "value":
			twice = &seenValue
			if r.s[f.value] != '"' {
				return r.fault(id, "value", f.value, "not a string")
			}
			e.text, err = r.optionalString(id, "value", &f)
		case "activeFrom":
			twice = &seenFrom
			e.activeFrom, err = r.optionalTime(id, "activeFrom", &f)
		case "expiresAt":
			twice = &seenEnd
			e.expiresAt, err = r.optionalTime(id, "expiresAt", &f)
		default:
			if err := r.unnamed(id, &f, &extra); err != nil {
				return err
			}
			continue
		}
		if *twice {
			return r.fault(id, f.name, f.at, "given twice")
		}
		if err != nil {
			return err
		}
		*twice = true
	}
	m.end = f.end
	if err := r.closeNames(id, mark); err != nil {
		return err
	}
	if e.text == "" {
		why := "missing"
		if seenValue {
			why = "empty"
		}
		return r.fault(id, "value", m.value, why)
	}
	if !lifeInOrder(e.activeFrom, e.expiresAt) {
		return r.fault(id, "expiresAt", m.value, "not after activeFrom")
	}
	if !r.checks {
		e.extra = r.join(&extra)
	}
	return nil
}

// optionalString reads a string or null at m.value, and sets m.end.
func (r *jsonReader) optionalString(id, member string, m *members) (string, error) {
	switch r.s[m.value] {
	case 'n':
		m.end = m.value + len("null")
		return "", nil
	case '"':
		text, end, lone := r.str(m.value)
		if lone {
			return "", r.fault(id, member, m.value, "a lone surrogate")
		}
		m.end = end
		return text, nil
	}
	return "", r.fault(id, member, m.value, "neither a string nor null")
}

func (r *jsonReader) optionalTime(id, member string, m *members) (time.Time, error) {
	at := m.value
	text, err := r.optionalString(id, member, m)
	if err != nil || r.s[at] == 'n' {
		return time.Time{}, err
	}
	t, ok := parseTime(text)
	if !ok {
		return time.Time{}, r.fault(id, member, at, badTime)
	}
	return t, nil
}

// unnamed keeps a member that this format does not name, and sets m.end.
func (r *jsonReader) unnamed(id string, m *members, extra *extraMembers) error {
	r.addName(m.at)
	end, err := r.skip(id, m.value)
	if err != nil {
		return err
	}
	m.end = end
	extra.add(m.at, end, m.index)
	return nil
}

// skip returns the end of the value at i, having made sure that no object in it gives a name twice. It does not recurse:
// the nesting may be 10,000 deep.
func (r *jsonReader) skip(id string, i int) (end int, err error) {
	marks := r.marks[:0]
	for {
		switch c := r.s[i]; c {
		case '{', '[':
			if marks == nil {
				marks = make([]int32, 0, r.shape.depth)
				r.marks = marks
			}
			mark := int32(-1)
			if c == '{' {
				mark = int32(len(r.names))
			}
			marks = append(marks, mark)
			i = skipSpace(r.s, i+1)
		default:
			i, _ = scanScalar(r.s, i)
		}
		for {
			if len(marks) == 0 {
				return i, nil
			}
			top := marks[len(marks)-1]
			i = skipSpace(r.s, i)
			if c := r.s[i]; c == '}' || c == ']' {
				if top >= 0 {
					if err := r.closeNames(id, int(top)); err != nil {
						return 0, err
					}
				}
				marks = marks[:len(marks)-1]
				i++
				continue
			} else if c == ',' {
				i = skipSpace(r.s, i+1)
			}
			if top >= 0 {
				r.addName(i)
				i, _ = scanString(r.s, i)
				i = skipSpace(r.s, skipSpace(r.s, i)+1)
			}
			break
		}
	}
}

// members goes through the members of an object. Whoever reads a value sets end to where it ends.
type members struct {
	name          string // where it is escaped: one of this format's, or empty
	escaped       bool   // the name
	loneSurrogate bool   // in the name; only versions asks for it
	index         int    // 0 for the first member
	at            int    // the name's opening quote
	value         int    // where the value begins
	end           int    // where it ends; after the last member, the end of the object
}

// membersOf is for the object at i.
func membersOf(i int) members { return members{index: -1, end: i + 1} }

// next goes to the next member, and tells whether there is one.
func (m *members) next(r *jsonReader) bool {
	i := skipSpace(r.s, m.end)
	if r.s[i] == ',' {
		i = skipSpace(r.s, i+1)
	}
	if r.s[i] == '}' {
		m.end = i + 1
		return false
	}
	m.at = i
	i = plainEnd(r.s, i+1)
	m.name, m.escaped = r.s[m.at+1:i], r.s[i] != '"'
	if i++; m.escaped {
		i, _ = scanString(r.s, m.at)
		m.name = namedIn(r.s[m.at:i])
	}
	m.value = skipSpace(r.s, skipSpace(r.s, i)+1)
	m.index++
	return true
}

// namedIn returns the name of this format that is escaped in quoted, or "".
func namedIn(quoted string) string {
	for _, name := range [...]string{"current", "versions", "value", "activeFrom", "expiresAt"} {
		if nameIs(quoted, name) {
			return name
		}
	}
	return ""
}

// str reads the string at i: a part of the text where nothing in it is escaped.
func (r *jsonReader) str(i int) (text string, end int, lone bool) {
	end = plainEnd(r.s, i+1)
	if r.s[end] == '"' {
		return r.s[i+1 : end], end + 1, false
	}
	end, _ = scanString(r.s, i)
	r.copied = true
	text, lone = unescape(r.s[i+1 : end-1])
	return text, end, lone
}

// extraMembers collects the members of one object that this format does not name, as runs of neighbours.
type extraMembers struct {
	runs      [4]struct{ start, end int } // the named ones, at most three, part them
	n         int
	lastIndex int
}

func (x *extraMembers) add(start, end, index int) {
	if x.n > 0 && x.lastIndex == index-1 {
		x.runs[x.n-1].end = end
	} else {
		x.runs[x.n].start, x.runs[x.n].end = start, end
		x.n++
	}
	x.lastIndex = index
}

// join returns the runs as they stand in the text, with commas between.
func (r *jsonReader) join(x *extraMembers) string {
	switch x.n {
	case 0:
		return ""
	case 1:
		return r.s[x.runs[0].start:x.runs[0].end]
	}
	r.copied = true
	var text strings.Builder
	size := x.n - 1
	for _, run := range x.runs[:x.n] {
		size += run.end - run.start
	}
	text.Grow(size)
	for i, run := range x.runs[:x.n] {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(r.s[run.start:run.end])
	}
	return text.String()
}
