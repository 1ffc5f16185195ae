package secret

import "hash/maphash"

// few is the number of versions up to which a linear search is faster than an
// index.
const few = 8

// index finds entries by id. It is a hash table of their numbers, counted from
// 1; 0 marks a free place. It is nil for few entries. A map would take five
// times the memory, and most of the time for parsing a large document.
type index struct{ places []int32 }

var indexSeed = maphash.MakeSeed() // random, so that no text can make its ids collide

// newIndex returns the index of entries. If two entries have the same id, twice
// is the number of the later one; otherwise twice is -1.
func newIndex(entries []entry) (x *index, twice int) {
	if len(entries) <= few {
		for i := range entries {
			if x.find(entries[:i], entries[i].id) >= 0 {
				return nil, i
			}
		}
		return nil, -1
	}
	size := 2 * few
	for size < 2*len(entries) {
		size *= 2
	}
	x = &index{make([]int32, size)}
	for i := range entries {
		place := x.place(entries, entries[i].id)
		if x.places[place] != 0 {
			return nil, i
		}
		x.places[place] = int32(i + 1)
	}
	return x, -1
}

// place returns the place of id, or the free place where it would be added. At
// least half the places are free.
func (x *index) place(entries []entry, id string) int {
	places := x.places
	mask := len(places) - 1
	at := int(maphash.String(indexSeed, id)) & mask
	for places[at] != 0 && entries[places[at]-1].id != id {
		at = (at + 1) & mask
	}
	return at
}

// find returns the number of the entry with that id, or -1.
func (x *index) find(entries []entry, id string) int {
	if x != nil {
		return int(x.places[x.place(entries, id)]) - 1
	}
	for i := range entries {
		if entries[i].id == id {
			return i
		}
	}
	return -1
}
