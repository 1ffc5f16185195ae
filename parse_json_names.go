package secret

import (
	"hash/maphash"
	"strings"
)

// addName records the name whose opening quote is at an offset.
func (r *jsonReader) addName(at int) {
	if r.names == nil {
		r.names = make([]int32, 0, r.shape.members)
	}
	r.names = append(r.names, int32(at))
}

// closeNames refuses a name that is given twice among those recorded since mark,
// and forgets them.
func (r *jsonReader) closeNames(id string, mark int) error {
	names := r.names[mark:]
	r.names = r.names[:mark]
	if !r.repeats(names) {
		return nil
	}
	// The error shows nothing of the name: this format does not know it.
	return malformed(id, "", "a name is given twice in one object")
}

// repeats reports whether two of the names are equal.
func (r *jsonReader) repeats(names []int32) bool {
	if len(names) <= few {
		for i, a := range names {
			for _, b := range names[:i] {
				if r.sameName(a, b) {
					return true
				}
			}
		}
		return false
	}
	r.table = newOffsets(r.table, len(names))
	for _, at := range names {
		i := r.table.first(r.hashName(at))
		for r.table[i] != 0 {
			if r.sameName(r.table[i]-1, at) {
				return true
			}
			if i++; i == len(r.table) {
				i = 0
			}
		}
		r.table[i] = at + 1
	}
	return false
}

// nameAt returns the name whose opening quote is at an offset, as in the text.
func (r *jsonReader) nameAt(at int32) (inside string, escaped bool) {
	end, _ := scanString(r.s, int(at))
	inside = r.s[at+1 : end-1]
	return inside, strings.IndexByte(inside, '\\') >= 0
}

func (r *jsonReader) hashName(at int32) uint64 {
	name, escaped := r.nameAt(at)
	if !escaped {
		return maphash.String(indexSeed, name)
	}
	r.a = appendUnescaped(r.a[:0], name)
	return maphash.Bytes(indexSeed, r.a)
}

func (r *jsonReader) sameName(i, j int32) bool {
	a, escapedA := r.nameAt(i)
	b, escapedB := r.nameAt(j)
	if !escapedA && !escapedB {
		return a == b
	}
	r.a, r.b = appendUnescaped(r.a[:0], a), appendUnescaped(r.b[:0], b)
	return string(r.a) == string(r.b)
}
