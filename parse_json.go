package secret

import (
	"time"
	"unicode/utf8"
)

// jsonReader reads a text that begins with a brace in one pass: it checks the
// syntax, decides whether the text is a version document, and builds the
// document. After a fault that is not one of syntax it keeps nothing and reads
// on, because a fault matters only in a version document.
//
// Its buffers are arrays: with slices of other variables it would move to the
// heap.
type jsonReader struct {
	s    string
	base int // the offset of s in the stored text

	bad            int    // offset of the first syntax error; 0: the text is one valid JSON object
	disguised      bool   // comments precede the first member, or its name is not in double quotes
	currentFirst   bool   // the first top-level member is named current
	versionsNamed  bool   // a top-level member is named versions …
	versionsObject bool   // … and one such is an object,
	versions       int    // with that many members
	high           uint64 // see plainEnd: of all strings
	fault          *Error // the first against the rules of a version document

	checks bool // keep nothing: there is a fault, or the text must be checked before
	ids    bool // look for ids given twice too, which seal does otherwise
	copied bool // some kept strings are not parts of s
	marker string
	extra  string
	first  int // the offset of the first version
	few    [4]entry
	many   []entry // in place of few, once there are more
	count  int     // of entries

	unnamed int     // members that this format does not name
	names   []place // their names, in all open objects; nil: do not look for names given twice
	shallow [32]int32
	deep    []int32 // in place of shallow: see skip
}

// dense is the number of versions above which they take more memory than the
// text: see checksDense.
func (r *jsonReader) dense() int { return max(fewEntries, len(r.s)/entrySize) }

// valid reports whether the text is one valid JSON object.
func (r *jsonReader) valid() bool { return r.bad == 0 && !r.disguised }

// versionDocument reports whether the text is a version document in disguise,
// or was meant to be a version document and has a fault.
func (r *jsonReader) versionDocument() bool {
	if r.bad == 0 {
		return r.versionsObject
	}
	return r.currentFirst || r.versionsNamed
}

// isVersionDocument is versionDocument for the text s, which begins with a brace.
func isVersionDocument(s string) bool {
	r := jsonReader{s: s, fault: new(Error), checks: true}
	r.document()
	return r.versionDocument()
}

// finish returns the document that r has read, from a text for which valid and
// versionDocument are true. It reads a text again that has names to
// compare or many versions for its size. Their number is known then, so a text
// that is refused costs little memory.
func (r *jsonReader) finish() (*document, error) {
	if r.high&highBits != 0 && !utf8.ValidString(r.s) {
		return nil, malformed("", "", "invalid UTF-8 in a JSON version document").at(r.base + invalidUTF8(r.s))
	}
	dense := checksDense && r.versions > r.dense()
	if dense || r.unnamed > 0 {
		check := jsonReader{s: r.s, base: r.base, checks: true, ids: dense, deep: r.deep,
			names: make([]place, 0, r.unnamed+r.versions)}
		check.document()
		r.fault = check.fault
	}
	if r.fault != nil {
		return nil, r.fault
	}
	if dense {
		*r = jsonReader{s: r.s, deep: r.deep, many: make([]entry, r.versions)}
		r.document()
	}
	d := &document{format: FormatJSON, marker: r.marker, extra: r.extra}
	if r.many != nil {
		d.entries = r.many[:r.count]
	} else {
		d.entries = append(make([]entry, 0, r.count), r.few[:r.count]...)
	}
	if twice := d.seal(r.copied); twice >= 0 {
		return nil, malformed(d.entries[twice].id, "", "a version id given twice")
	}
	return d, nil
}

// fail records the first fault, with its offset in the stored text unless at is
// -1. It is not inlined, for the same reason as because.
//
//go:noinline
func (r *jsonReader) fail(id, member string, at int, why string) {
	if r.fault != nil {
		return
	}
	if r.fault, r.checks = malformed(id, member, why), true; at >= 0 {
		r.fault.at(r.base + at)
	}
}

// syntax records the first syntax error, and returns -1. A position that is -1
// ends the reading.
func (r *jsonReader) syntax(at int) int {
	if r.bad == 0 {
		r.bad = at
	}
	return -1
}

func (r *jsonReader) document() {
	var extra extraMembers
	current, seenVersions := -1, false // the number of the member "current"
	m := membersOf(r.beforeNames())
	for m.next(r) {
		switch m.name {
		case "current":
			if current >= 0 {
				r.fail("", "current", m.at, "given twice")
			} else {
				current = m.index
			}
			r.marker = r.optionalString("", "current", &m)
		case "versions":
			if seenVersions {
				r.fail("", "versions", m.at, "given twice")
			}
			seenVersions = true
			if r.s[m.value] == '{' {
				r.versionsObject = true
				r.allVersions(&m)
			} else {
				r.fail("", "versions", m.value, "not an object")
				m.end = r.skip("", m.value, 1)
			}
		default:
			r.addUnnamed("", &m, &extra, 1)
		}
	}
	// The last name counts, though its value may be missing.
	r.versionsNamed = seenVersions || m.name == "versions"
	r.currentFirst = r.currentFirst || current == 0 || m.index == 0 && m.name == "current"
	if m.end < 0 {
		return
	}
	if end := skipSpace(r.s, m.end); end < len(r.s) {
		r.syntax(end)
		return
	}
	r.closeNames("", 0)
	if !r.checks {
		r.extra = r.join(extra.runs[:extra.n])
	}
}

// beforeNames returns the offset at which the members begin, after comments.
func (r *jsonReader) beforeNames() int {
	i := skipSpace(r.s, 1)
	for i < len(r.s) && r.s[i] != '"' && r.s[i] != '}' {
		n := commentEnd(r.s[i:])
		if n == 0 {
			r.currentFirst = unquotedName(r.s[i:])
			r.disguised = r.disguised || r.currentFirst
			break
		}
		r.disguised = true
		i = skipSpace(r.s, i+n)
	}
	return i
}

// allVersions reads the object at m.value, and sets m.end.
func (r *jsonReader) allVersions(m *members) {
	v := membersOf(m.value + 1)
	mark := len(r.names)
	r.first = m.value
	for v.next(r) {
		r.versions++
		if v.name == "" || v.loneSurrogate {
			r.fail("", "", v.at, "a version id that is empty or holds a lone surrogate")
		}
		if r.s[v.value] != '{' {
			r.fail(v.name, "", v.value, "a version that is not an object with a \"value\"")
			v.end = r.skip("", v.value, 2)
			continue
		}
		if r.ids {
			r.addName(v.name, v.at)
		}
		r.version(&v)
	}
	if m.end = v.end; v.end >= 0 {
		r.closeNames("", mark)
	}
}

// version reads the object at m.value as one version, and sets m.end.
func (r *jsonReader) version(m *members) {
	id := m.name
	e := r.newEntry(m.at)
	*e = entry{id: id}
	var extra extraMembers
	seen, mark := 0, len(r.names)
	f := membersOf(m.value + 1)
	for f.next(r) {
		bit, at := 1, (*time.Time)(nil)
		switch f.name {
		case "value":
			if r.s[f.value] != '"' {
				r.fail(id, "value", f.value, "not a string")
			}
		case "activeFrom":
			bit, at = 2, &e.activeFrom
		case "expiresAt":
			bit, at = 4, &e.expiresAt
		default:
			r.addUnnamed(id, &f, &extra, 3)
			continue
		}
		if seen&bit != 0 {
			r.fail(id, f.name, f.at, "given twice")
		}
		seen |= bit
		text := r.optionalString(id, f.name, &f)
		if at == nil {
			e.text = text
		} else if r.s[f.value] == '"' {
			var ok bool
			if *at, ok = parseTime(text); !ok {
				r.fail(id, f.name, f.value, badTime)
			}
		}
	}
	if m.end = f.end; f.end < 0 {
		return
	}
	r.closeNames(id, mark)
	switch {
	case e.text == "":
		why := "missing"
		if seen&1 != 0 {
			why = "empty"
		}
		r.fail(id, "value", m.value, why)
	case !lifeInOrder(e.activeFrom, e.expiresAt):
		r.fail(id, "expiresAt", m.value, "not after activeFrom")
	case !r.checks:
		e.extra = r.join(extra.runs[:extra.n])
	}
}

// newEntry returns the place for a version whose name is at an offset.
func (r *jsonReader) newEntry(at int) *entry {
	n, all := r.count, r.few[:]
	if r.many != nil {
		all = r.many
	}
	if checksDense && n == len(all) && n == r.dense() {
		r.checks = true
	}
	if r.checks {
		return &r.few[0]
	}
	if n == len(all) {
		// As many as there will be if the others are as long as those before.
		room := n + (len(r.s)-at)/((at-r.first)/n) + 1
		if r.many != nil {
			room = max(room, 2*n)
		}
		if checksDense {
			room = min(room, r.dense())
		}
		r.many = make([]entry, room)
		copy(r.many, all)
		all = r.many
	}
	r.count++
	return &all[n]
}

// optionalString reads a string or null at m.value, and sets m.end.
func (r *jsonReader) optionalString(id, member string, m *members) (text string) {
	lone, c := false, r.s[m.value]
	if c != '"' {
		m.end = r.skip(id, m.value, 3)
	} else if text, m.end, lone = r.str(m.value); lone {
		r.fail(id, member, m.value, "a lone surrogate")
	}
	if c != '"' && c != 'n' {
		r.fail(id, member, m.value, "neither a string nor null")
	}
	return text
}

// addUnnamed keeps a member that this format does not name, in an object that
// is depth deep, and sets m.end.
func (r *jsonReader) addUnnamed(id string, m *members, extra *extraMembers, depth int) {
	r.addName(m.name, m.at)
	if m.end = r.skip(id, m.value, depth); m.end >= 0 {
		extra.add(m.at, m.end, m.index)
	}
}

// skip returns the end of the value at i, in an object that is depth deep, and
// checks that no object in it repeats a name. It does not recurse: values may be
// nested 10,000 deep.
func (r *jsonReader) skip(id string, i, depth int) (end int) {
	marks := r.shallow[:0] // for each open bracket: the number of names before its first, or -1 for an array
	for {
		c := r.s[i]
		opened := c == '{' || c == '['
		if opened {
			if depth+len(marks) == maxNesting {
				return r.syntax(i)
			}
			if len(marks) == cap(marks) {
				if r.deep == nil {
					r.deep = make([]int32, 0, min(len(r.s), maxNesting))
				}
				marks = append(r.deep, marks...)
			}
			mark := len(r.names)
			if c == '[' {
				mark = -1
			}
			marks = append(marks, int32(mark))
			i++
		} else if i = r.scalar(i); i < 0 {
			return -1
		}
		// Close the brackets that end here, up to the next value.
		for {
			if len(marks) == 0 {
				return i
			}
			if i = skipSpace(r.s, i); i == len(r.s) {
				return r.syntax(i)
			}
			top := int(marks[len(marks)-1])
			if c := r.s[i]; top >= 0 && c == '}' || top < 0 && c == ']' {
				if top >= 0 {
					r.closeNames(id, top)
				}
				marks, opened = marks[:len(marks)-1], false
				i++
				continue
			}
			if !opened {
				i = r.after(i, ',')
			}
			if top >= 0 {
				name, afterName, _ := r.str(i)
				r.addName(name, i)
				i = r.after(afterName, ':')
			}
			if i < 0 {
				return -1
			}
			break
		}
	}
}

// addName records a name and its offset.
func (r *jsonReader) addName(name string, at int) {
	r.unnamed++
	if r.fault == nil && r.names != nil {
		r.names = append(r.names, placeOf(name, at))
	}
}

// closeNames looks for a name that occurs twice among those recorded since
// mark, and removes them.
func (r *jsonReader) closeNames(id string, mark int) {
	if r.fault != nil || r.names == nil {
		return
	}
	names := r.names[mark:]
	r.names = r.names[:mark]
	sortPlaces(names)
	for i, a := range names {
		for j := i + 1; j < len(names) && names[j].like(a); j++ {
			x, _, _ := r.str(a.at())
			if y, _, _ := r.str(names[j].at()); x == y {
				// The error does not contain the name: this format does not define it.
				r.fail(id, "", -1, "a name is given twice in one object")
				return
			}
		}
	}
}

// members iterates over the members of an object. The caller that reads a value
// sets end to the end of that value.
type members struct {
	name          string
	loneSurrogate bool // in the name
	index         int  // 0 for the first member
	at            int  // the name's opening quote
	value         int  // the offset of the value
	end           int  // the end of the value; after the last member, the end of the object; -1: a syntax error
}

// membersOf returns the iterator for the object whose first member is at i.
func membersOf(i int) members { return members{index: -1, end: i} }

// next moves to the next member, and reports whether there is one.
func (m *members) next(r *jsonReader) bool {
	i := m.end
	if i < 0 {
		return false
	}
	if i = skipSpace(r.s, i); i < len(r.s) && r.s[i] == '}' {
		m.end = i + 1
		return false
	}
	if m.index >= 0 {
		i = r.after(i, ',')
	}
	m.at = i
	m.index++
	if name := frequent(r.s, i); name != "" {
		m.name, m.loneSurrogate, i = name, false, i+len(name)+len(`"":`)
	} else {
		m.name, i, m.loneSurrogate = r.str(i)
		i = r.after(i, ':')
	}
	m.value, m.end = i, i
	return i >= 0
}

// frequent returns the name of the member at i if it is one of a version, and
// its value a string without white space before. Most members are so.
func frequent(s string, i int) string {
	if i < 0 || len(s)-i < len(`"activeFrom":"`) {
		return ""
	}
	switch member := s[i:]; {
	case member[:9] == `"value":"`:
		return member[1:6]
	case member[:14] == `"activeFrom":"`:
		return member[1:11]
	case member[:13] == `"expiresAt":"`:
		return member[1:10]
	}
	return ""
}

// extraMembers collects the members of one object that this format does not
// name, as runs of adjacent members.
type extraMembers struct {
	runs      [4][2]int // the offsets of each; at most three named members separate them
	n         int
	lastIndex int
}

func (x *extraMembers) add(start, end, index int) {
	if x.n > 0 && x.lastIndex == index-1 {
		x.runs[x.n-1][1] = end
	} else if x.n < len(x.runs) { // there are more only if a name is given twice
		x.runs[x.n] = [2]int{start, end}
		x.n++
	}
	x.lastIndex = index
}

// join returns runs with commas between, each byte for byte. It copies each at
// most twice.
func (r *jsonReader) join(runs [][2]int) string {
	n := len(runs)
	switch n {
	case 0:
		return ""
	case 1:
		return r.s[runs[0][0]:runs[0][1]]
	}
	r.copied = true
	return r.join(runs[:n/2]) + "," + r.join(runs[n/2:])
}
