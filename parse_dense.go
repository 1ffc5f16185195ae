//go:build !js

package secret

// checksDense is true: a text may hold so many versions that they take many
// times its size in memory. Such a text is checked first, with eight bytes for
// each name, so that a refused text costs only a small multiple of its size.
const checksDense = true

// checkCompact returns the fault of a compact text, or nil.
func checkCompact(t trimmed) *Error {
	count := 0
	for s := (segments{rest: t.s}); s.next(); {
		count++
	}
	names := make([]place, 0, count)
	var d document
	var line *Error // the last of the faults, as in parseCompact
	for s := (segments{rest: t.s}); s.next(); {
		d.entries = d.entries[:0]
		a, fault := d.addSegment(s.segment)
		if fault != nil {
			return fault.at(t.start + s.at)
		}
		for _, e := range d.entries { // it has one, unless the segment is an attribute or current
			a.id = e.id
			if line == nil && holdsVersionLine(e.text) {
				line = malformed(e.id, "", badLine)
			}
		}
		if a.id != "" {
			names = append(names, placeOf(a.id, s.at))
		}
	}
	sortPlaces(names)
	first := 0 // of the places that are like p
	for i, p := range names {
		if !p.like(names[first]) {
			first = i
		}
		id, suffix := keyAt(t.s, p)
		why := ""
		if suffix != "" {
			why = badOrphan
		}
		for j := first; j < len(names) && names[j].like(p); j++ {
			switch otherID, other := keyAt(t.s, names[j]); {
			case i == j || otherID != id:
			case other == suffix && suffix == "":
				return malformed(id, "", "given twice")
			case other == suffix:
				return malformed(id, suffix, "given twice").at(t.start + names[j].at())
			case other == "" && why == badOrphan:
				why = ""
			case suffix == "expires" && other == "active" &&
				!lifeInOrder(attributeAt(t.s, names[j].at()).time, attributeAt(t.s, p.at()).time):
				why = badLife
			}
		}
		switch why {
		case badOrphan:
			return malformed(id, suffix, why).at(t.start + p.at())
		case badLife:
			return malformed(id, suffix, why)
		}
	}
	return line
}

// keyAt returns the parts of a key: the id and, for an attribute, the suffix.
func keyAt(s string, p place) (id, suffix string) {
	key, _, _ := cut(s[p.at():], '=')
	id, suffix, _ = cut(key, '_')
	return id, suffix
}
