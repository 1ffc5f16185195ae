package secret

import (
	"hash/maphash"
	"strings"
)

const (
	entrySize  = 112 // bytes that one version takes in memory
	fewEntries = 64  // versions whose memory is not worth a check
)

// A text may hold so many versions that they take many times its size in memory:
// v1=a takes 112 bytes. Such a text is checked first, with a few bytes for each
// version, so that one that is refused costs no more than a small multiple of
// its size.

// checkCompact finds the fault of a compact text, if it has one, and returns the
// number of its versions.
func checkCompact(t trimmed) (versions int, fault *Error) {
	count := 0
	for s := (segments{rest: t.s}); s.next(); {
		count++
	}
	table := newOffsets(nil, count)
	var one [1]entry
	d := document{}
	for s := (segments{rest: t.s}); s.next(); {
		d.entries = one[:0]
		a, fault := d.addSegment(s.segment)
		if fault != nil {
			return 0, fault.at(t.start + s.at)
		}
		id := a.id
		if len(d.entries) > 0 {
			versions++
			id = one[0].id
			if holdsVersionLine(one[0].text) {
				return 0, versionLine(id)
			}
		} else if id == "" {
			continue // current
		}
		key, _, _ := strings.Cut(s.segment, "=")
		place := table.find(id, key[len(id):], t.s)
		if *place != 0 {
			return 0, malformed(id, a.suffix, "given twice").at(t.start + s.at)
		}
		*place = int32(s.at + 1)
	}
	for s := (segments{rest: t.s}); s.next(); {
		key, _, _ := strings.Cut(s.segment, "=")
		if strings.IndexByte(key, '_') < 0 {
			continue
		}
		a := attributeAt(t.s, s.at)
		if *table.find(a.id, "", t.s) == 0 {
			return 0, a.orphan().at(t.start + s.at)
		}
		from := *table.find(a.id, "_active", t.s)
		if a.suffix == "expires" && from != 0 && !lifeInOrder(attributeAt(t.s, int(from-1)).time, a.time) {
			return 0, malformed(a.id, a.suffix, "not after active")
		}
	}
	return versions, nil
}

// offsets is a hash table of places in a text, counted from 1; 0 is free.
type offsets []int32

// newOffsets returns a table for so many places, in the memory of an old one
// where that is large enough.
func newOffsets(old offsets, n int) offsets {
	size := n + n/2 + 1
	if size > cap(old) {
		return make(offsets, size)
	}
	old = old[:size]
	clear(old)
	return old
}

// first returns the slot at which the search for a name of that hash begins.
func (o offsets) first(hash uint64) int { return int(hash >> 32 * uint64(len(o)) >> 32) }

// find returns the slot of the segment whose key is id with suffix, or the free
// one for it.
func (o offsets) find(id, suffix, text string) *int32 {
	i := o.first(maphash.String(indexSeed, id))
	for o[i] != 0 {
		rest, ok := strings.CutPrefix(text[o[i]-1:], id)
		if rest, same := strings.CutPrefix(rest, suffix); ok && same && rest[0] == '=' {
			break
		}
		if i++; i == len(o) {
			i = 0
		}
	}
	return &o[i]
}
