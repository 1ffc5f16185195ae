package secret

import (
	"slices"
	"strings"
	"time"
)

// Change reports what has changed in one secret, by id, never by value. The App
// sends one for every changed document, and one when a version expires,
// although no document changes then. The lists follow the order of the
// documents, are nil where they have no ids, and belong to the function that
// gets the Change.
//
// To follow a set of ids, add Added, then drop Ended: the result is the ids of
// [Secret.Active] at the time of the Change. So a cache of keys that were
// accepted drops the ids in Ended. An id whose value changed is in no list:
// where the current value changed under one id, CurrentChanged is true and Old
// equals New. That is always so for a plain value, whose id is always v1.
//
// A document may change in times alone, such as the start of an announced
// version. Its Change then has no ids in its lists.
type Change struct {
	Address Address
	// Old and New are the ids of the current version, before and now. Empty: an
	// optional secret had, or has, no value.
	Old, New string
	// CurrentChanged reports that the current version is another one, or has
	// another value.
	CurrentChanged bool
	// Added are the ids that are new in the document, announced versions included,
	// and those of expired versions that are accepted again: their end was moved,
	// or the clock was set back.
	Added []string
	// Removed are the ids that left the document.
	Removed []string
	// Ended are the ids that are not accepted any more: their versions have expired
	// since the last Change, or a new document moved their end into the past, or
	// they left the document. So every id in Removed is also in Ended, even if an
	// earlier Change reported that its version had expired. An id in Added is also
	// in Ended if its version had expired before it was loaded.
	Ended []string
}

// difference returns the Change from old, as it was at the instant seen, to
// doc, as it is now. It copies the ids: an id is a part of the stored text, and
// would keep the values in it in memory.
func difference(addr Address, old *Document, seen time.Time, doc *Document, now time.Time) Change {
	was, is := old.data(), doc.data()
	c := Change{Address: addr, Old: currentID(was), New: currentID(is)}
	c.CurrentChanged = c.Old != c.New || was.text != is.text
	for i := range was.entries {
		e := &was.entries[i]
		j := is.find(e.id)
		if j < 0 {
			c.Removed = appendID(c.Removed, e)
		}
		if j < 0 || !e.expired(seen) && is.entries[j].expired(now) {
			c.Ended = appendID(c.Ended, e)
		}
	}
	for i := range is.entries {
		e := &is.entries[i]
		j, ended := was.find(e.id), e.expired(now)
		if j < 0 || !ended && was.entries[j].expired(seen) {
			c.Added = appendID(c.Added, e)
		}
		if j < 0 && ended {
			c.Ended = appendID(c.Ended, e)
		}
	}
	return c
}

// currentID returns a copy of the id. It is empty for an optional secret without
// a value.
func currentID(d *document) string {
	if len(d.entries) == 0 {
		return ""
	}
	return strings.Clone(d.entries[d.current].id)
}

// appendID is not inlined, which makes a Worker with an App smaller.
//
//go:noinline
func appendID(ids []string, e *entry) []string { return append(ids, strings.Clone(e.id)) }

// hasIDs reports whether an id is in one of the lists.
func (c Change) hasIDs() bool { return len(c.Added)+len(c.Removed)+len(c.Ended) > 0 }

// mostIDs limits the ended ids that an App remembers for functions that are
// given to OnChange later, so that a store with ever new ids cannot fill the
// memory.
const mostIDs = 10_000

// then returns one Change for c and, after it, next; a nil c is no change. As
// for each of them, adding Added to a set of ids and dropping Ended gives the
// accepted ids, even if the set comes from the time between the two.
func (c *Change) then(next Change) *Change {
	if c == nil {
		return &next
	}
	return &Change{
		Address: c.Address, Old: c.Old, New: next.New,
		CurrentChanged: c.CurrentChanged || next.CurrentChanged,
		Added:          replaced(c.Added, next.Removed, next.Added),
		Removed:        lastIDs(replaced(c.Removed, next.Added, next.Removed)),
		Ended:          lastIDs(replaced(c.Ended, next.Added, next.Ended)),
	}
}

// replaced returns ids without those in drop, with those of add at the end. It
// is not inlined, for the same reason as appendID.
//
//go:noinline
func replaced(ids, drop, add []string) (list []string) {
	out := map[string]bool{}
	for _, id := range slices.Concat(drop, add) {
		out[id] = true
	}
	for _, id := range ids {
		if !out[id] {
			list = append(list, id)
		}
	}
	return append(list, add...)
}

func lastIDs(ids []string) []string {
	return ids[max(0, len(ids)-mostIDs):]
}

// clone returns c with lists of its own.
func (c Change) clone() Change {
	c.Added, c.Removed, c.Ended = slices.Clone(c.Added), slices.Clone(c.Removed), slices.Clone(c.Ended)
	return c
}

// nextEnd returns when the next version of d expires. Zero: none will. It is no
// method, because the names of all methods are linked into every Worker.
func nextEnd(d *document, now time.Time) (next time.Time) {
	for i := range d.entries {
		if e := &d.entries[i]; !e.expired(now) {
			next = earlier(next, e.expiresAt)
		}
	}
	return next
}
