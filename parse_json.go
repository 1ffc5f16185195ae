package secret

import (
	"time"
	"unicode/utf8"
)

// parseJSON parses a text that scanJSON accepted: one valid object with an
// object "versions". versions is the number of its members, members the number
// in all objects together. parseJSON checks only the rules of a version
// document and relies on the syntax.
func parseJSON(t trimmed, versions, members int) (*document, error) {
	if !utf8.ValidString(t.s) {
		return nil, malformed("", "", "invalid UTF-8 in a JSON version document").at(t.start + invalidUTF8(t.s))
	}
	r := jsonReader{s: t.s, base: t.start, doc: &document{format: FormatJSON}, members: members}
	if r.checks = checksDense && versions > fewEntries && versions > len(t.s)/entrySize; r.checks {
		if err := r.document(); err != nil {
			return nil, err
		}
	}
	r.checks, r.doc.entries = false, make([]entry, 0, versions)
	return r.doc, r.document()
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
	s       string
	base    int // the offset of s in the stored text
	doc     *document
	copied  bool    // some strings in doc are not parts of s
	checks  bool    // only look for faults; doc holds one version at a time: see checksDense
	members int     // of all objects
	names   []place // of the members in open objects that this format does not name
	marks   []int32 // reused by skip
}

// fault returns an error with the offset in the stored text. It is not inlined,
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
	r.doc.extra = r.join(extra.runs[:extra.n])
	if twice := r.doc.seal(r.copied); twice >= 0 {
		return malformed(r.doc.entries[twice].id, "", "a version id given twice")
	}
	return nil
}

// versions parses the object at m.value, and sets m.end.
func (r *jsonReader) versions(m *members) error {
	v := membersOf(m.value)
	mark := len(r.names)
	for v.next(r) {
		if v.name == "" || v.loneSurrogate {
			return r.fault("", "", v.at, "a version id that is empty or holds a lone surrogate")
		}
		if r.s[v.value] != '{' {
			return r.fault(v.name, "", v.value, "a version that is not an object with a \"value\"")
		}
		if r.checks {
			r.doc.entries = r.doc.entries[:0]
			r.addName(v.name, v.at)
		}
		r.doc.add(v.name, "")
		if err := r.version(&v); err != nil {
			return err
		}
	}
	m.end = v.end
	return r.closeNames("", mark)
}

// version parses the object at m.value into the last entry, and sets m.end.
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
		e.extra = r.join(extra.runs[:extra.n])
	}
	return nil
}

// optionalString parses a string or null at m.value, and sets m.end.
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
	r.addName(m.name, m.at)
	end, err := r.skip(id, m.value)
	if err != nil {
		return err
	}
	m.end = end
	extra.add(m.at, end, m.index)
	return nil
}

// skip returns the end of the value at i, and checks that no object in it
// repeats a name. It does not recurse: values may be nested 10,000 deep.
func (r *jsonReader) skip(id string, i int) (end int, err error) {
	marks := r.marks // for each open bracket: the index of its first name, or -1 for an array
	for {
		if c := r.s[i]; c == '{' || c == '[' {
			if marks == nil {
				r.marks = make([]int32, 0, min(len(r.s)/2, maxNesting))
				marks = r.marks
			}
			mark := len(r.names)
			if c == '[' {
				mark = -1
			}
			marks = append(marks, int32(mark))
			i = r.skipSpace(i + 1)
		} else {
			i, _ = scanScalar(r.s, i)
		}
		for {
			if len(marks) == 0 {
				return i, nil
			}
			top := marks[len(marks)-1]
			i = r.skipSpace(i)
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
				i = r.skipSpace(i + 1)
			}
			if top >= 0 {
				name, afterName, _ := r.str(i)
				r.addName(name, i)
				i = r.skipSpace(r.skipSpace(afterName) + 1)
			}
			break
		}
	}
}

// addName records a name and its place.
func (r *jsonReader) addName(name string, at int) {
	if r.names == nil {
		r.names = make([]place, 0, r.members)
	}
	n := len(r.names)
	r.names = r.names[:n+1]
	r.names[n] = placeOf(name, at)
}

// closeNames returns an error if a name occurs twice among those recorded since
// mark, and removes them.
func (r *jsonReader) closeNames(id string, mark int) error {
	names := r.names[mark:]
	r.names = r.names[:mark]
	sortPlaces(names)
	for i, a := range names {
		for j := i + 1; j < len(names) && names[j].like(a); j++ {
			x, _, _ := r.str(a.at())
			if y, _, _ := r.str(names[j].at()); x == y {
				// The error does not contain the name: this format does not define it.
				return malformed(id, "", "a name is given twice in one object")
			}
		}
	}
	return nil
}

// members iterates over the members of an object. The caller that reads a value
// sets end to the end of that value.
type members struct {
	name          string
	loneSurrogate bool // in the name
	index         int  // 0 for the first member
	at            int  // the name's opening quote
	value         int  // the offset of the value
	end           int  // the end of the value; after the last member, the end of the object
}

// membersOf returns the iterator for the object at i.
func membersOf(i int) members { return members{index: -1, end: i + 1} }

// next moves to the next member, and reports whether there is one.
func (m *members) next(r *jsonReader) bool {
	i := r.skipSpace(m.end)
	if r.s[i] == ',' {
		i = r.skipSpace(i + 1)
	}
	if r.s[i] == '}' {
		m.end = i + 1
		return false
	}
	m.at = i
	m.name, i, m.loneSurrogate = r.str(i)
	m.value = r.skipSpace(r.skipSpace(i) + 1)
	m.index++
	return true
}

// skipSpace is not inlined, for the same reason as because.
//
//go:noinline
func (r *jsonReader) skipSpace(i int) int { return skipSpace(r.s, i) }

// str parses the string at i. If it has no escapes, the result is a part of the
// text.
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

// span is a part of the text.
type span struct{ start, end int }

// extraMembers collects the members of one object that this format does not
// name, as runs of adjacent members.
type extraMembers struct {
	runs      [4]span // at most three named members separate them
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

// join returns runs with commas between, each byte for byte. It copies each at
// most twice.
func (r *jsonReader) join(runs []span) string {
	n := len(runs)
	switch n {
	case 0:
		return ""
	case 1:
		return r.s[runs[0].start:runs[0].end]
	}
	r.copied = true
	return r.join(runs[:n/2]) + "," + r.join(runs[n/2:])
}
