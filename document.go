package secret

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Document is what one stored text holds: versions in the order in which they stand there, and which of them is current.
// It never changes, so all that is read from one Document is consistent, and it may be used concurrently. It shows no
// value under any verb of fmt, in JSON or in a log.
//
// Documents come from [Parse], [NewDocument] and [Secret.Load]. The zero Document holds no version.
type Document struct {
	p atomic.Pointer[document] // reflection, and so fmt, shows no more than an address here
}

// document is a parsed text. It never changes once it is sealed.
type document struct {
	format  Format
	marker  string // the id that "current" gives; empty: none
	current int    // index of the current version
	text    string // of the current version: the read that programs make all the time
	entries []entry
	index   index  // of entries by id; nil while there are few
	extra   string // top-level JSON members that this format does not name, as they stand in the text

	decl *declaration // of the secret that it was loaded for; nil: none
	err  error        // set where this stands for a document that is not to be read any more; then there are no versions
}

// entry is one version. Zero times mean "since ever" and "never".
type entry struct {
	_                     uncomparable
	id, text              string
	activeFrom, expiresAt time.Time
	extra                 string // as in document
}

// uncomparable is a field of structs that are never compared. It spares a Worker
// the code for ==, which the compiler writes for each type: 1.4 KB in all.
type uncomparable [0]func()

func newDocument(d *document) *Document {
	pub := new(Document)
	pub.p.Store(d)
	return pub
}

const (
	entrySize  = 112 // bytes that an entry takes
	fewEntries = 64  // entries whose memory is not worth a check: see checksDense
)

var noDocument document

// addr returns the address of the secret that d was loaded for, or the zero Address.
func (d *document) addr() Address {
	if d.decl == nil {
		return Address{}
	}
	return d.decl.addr
}

// keyRule says how the versions of d turn into bytes.
func (d *document) keyRule() keyRule {
	if d.decl == nil {
		return keyRule{}
	}
	return keyRule{bytes: d.decl.Bytes, encoding: d.decl.Encoding}
}

func (d *Document) data() *document {
	if d != nil {
		if p := d.p.Load(); p != nil {
			return p
		}
	}
	return &noDocument
}

// NewDocument makes a document of versions in the given order; current is the id of the current one, "" to leave it to
// the order: the last is current then. An id that names no version is kept, as it is when a text is parsed.
//
// Errors wrap [ErrInvalid]: no versions, an empty or repeated id, an empty value, an ExpiresAt that does not lie after
// ActiveFrom, a time outside 1970 to 9999.
func NewDocument(current string, versions ...Version) (*Document, error) {
	d := &document{format: FormatJSON, marker: current, entries: make([]entry, 0, len(versions))}
	refuse := func(id, member, why string) error {
		return &Error{Op: "new document", Version: id, Member: member, Err: because(ErrInvalid, why)}
	}
	if len(versions) == 0 {
		return nil, refuse("", "", "a document needs a version")
	}
	for _, v := range versions {
		e := v.entry()
		switch {
		case v.ID == "":
			return nil, refuse("", "ID", "empty")
		case e.text == "":
			return nil, refuse(v.ID, "", "its value is empty")
		case !v.ActiveFrom.IsZero() && !inRange(v.ActiveFrom):
			return nil, refuse(v.ID, "ActiveFrom", "outside 1970 to 9999")
		case !v.ExpiresAt.IsZero() && !inRange(v.ExpiresAt):
			return nil, refuse(v.ID, "ExpiresAt", "outside 1970 to 9999")
		case !lifeInOrder(v.ActiveFrom, v.ExpiresAt):
			return nil, refuse(v.ID, "ExpiresAt", "not after ActiveFrom")
		}
		d.entries = append(d.entries, e)
	}
	if twice := d.seal(false); twice >= 0 {
		return nil, refuse(d.entries[twice].id, "ID", "given twice")
	}
	return newDocument(d), nil
}

// seal ends the building of d: it lets go of what is not needed, and picks the current version. copied says that something
// in d is not a part of the text, which the rest would keep alive beside the copies. It returns the index of a version whose
// id an earlier one has, or -1.
func (d *document) seal(copied bool) (twice int) {
	if d.index, twice = newIndex(d.entries); twice >= 0 {
		return twice
	}
	if copied {
		d.detach()
	}
	if n := len(d.entries); cap(d.entries)-n > (n+5)/8 {
		d.entries = append(make([]entry, 0, n), d.entries...)
	}
	d.current = len(d.entries) - 1
	if i := d.find(d.marker); i >= 0 {
		d.current = i
	}
	if n := len(d.entries); n > 0 {
		d.text = d.entries[d.current].text
	}
	return -1
}

// detach moves all strings of d into one of just their length.
func (d *document) detach() {
	var all strings.Builder
	size := 0
	d.eachString(func(s *string) { size += len(*s) })
	all.Grow(size)
	d.eachString(func(s *string) { all.WriteString(*s) })
	rest := all.String()
	d.eachString(func(s *string) { *s, rest = rest[:len(*s)], rest[len(*s):] })
}

func (d *document) eachString(f func(*string)) {
	f(&d.marker)
	f(&d.extra)
	for i := range d.entries {
		e := &d.entries[i]
		f(&e.id)
		f(&e.text)
		f(&e.extra)
	}
}

// find returns the index of the version with that id, or -1.
func (d *document) find(id string) int { return d.index.find(d.entries, id) }

// at returns the index of the version that was in force at t, or -1.
//
// A version that begins after the current one is announced: nobody has used it yet, so it answers only where nothing else
// does.
func (d *document) at(t time.Time) int {
	best := -1
	for i := range d.entries {
		if d.entries[i].activeAt(t) && (best < 0 || d.inForceBefore(i, best)) {
			best = i
		}
	}
	return best
}

// inForceBefore tells whether version i, which stands later in the text than j, comes before it as the answer for a time.
func (d *document) inForceBefore(i, j int) bool {
	a, b, current := &d.entries[i], &d.entries[j], &d.entries[d.current]
	if x, y := a.activeFrom.After(current.activeFrom), b.activeFrom.After(current.activeFrom); x != y {
		return y
	}
	if !a.activeFrom.Equal(b.activeFrom) {
		return a.activeFrom.After(b.activeFrom)
	}
	return j != d.current
}

func (e *entry) activeAt(t time.Time) bool {
	return (e.activeFrom.IsZero() || !t.Before(e.activeFrom)) && !e.expired(t)
}

func (e *entry) expired(t time.Time) bool { return !e.expiresAt.IsZero() && !t.Before(e.expiresAt) }

// The following return the number of the version that a read means, or why there is none.

func (d *document) pickVersion(id string) (int, error) {
	i := d.find(id)
	if i < 0 {
		return -1, d.refuse("version", id, ErrVersionNotFound)
	}
	return i, nil
}

func (d *document) pickAt(t time.Time) (int, error) {
	i := d.at(t)
	if i < 0 {
		return -1, d.refuse("at", "", ErrNotActive)
	}
	return i, nil
}

func (d *document) pickActiveVersion(id string, now time.Time) (int, error) {
	i := d.find(id)
	switch {
	case i < 0:
		return -1, d.refuse("active version", id, ErrVersionNotFound)
	case d.entries[i].expired(now):
		return -1, d.refuse("active version", id, because(ErrNotActive, "the version has expired"))
	}
	return i, nil
}

// refuse is not inlined, for the same reason as because.
//
//go:noinline
func (d *document) refuse(op, id string, err error) error {
	return &Error{Op: op, Address: d.addr(), Version: id, Err: err}
}

func (d *Document) version(i int) Version {
	data := d.data()
	if i < 0 || i >= len(data.entries) {
		return Version{}
	}
	e := &data.entries[i]
	return Version{ID: e.id, ActiveFrom: e.activeFrom, ExpiresAt: e.expiresAt, doc: d, i: i}
}

func (d *Document) picked(i int, err error) (Version, error) {
	if err != nil {
		return Version{}, err
	}
	return d.version(i), nil
}

// accepted returns the versions that accept chooses: current first, then the
// latest activeFrom first, then the later in the text first.
func (d *Document) accepted(accept func(*entry) bool) []Version {
	data := d.data()
	var found []int
	for i := range data.entries {
		if accept(&data.entries[i]) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(i, j int) int {
		switch {
		case i == j:
			return 0
		case i == data.current:
			return -1
		case j == data.current:
			return 1
		}
		if c := data.entries[j].activeFrom.Compare(data.entries[i].activeFrom); c != 0 {
			return c
		}
		return cmp.Compare(j, i)
	})
	vs := make([]Version, len(found))
	for k, i := range found {
		vs[k] = d.version(i)
	}
	return vs
}

// StoredAs returns the format that the text was in: FormatPlain, FormatJSON or FormatCompact. What [NewDocument] made is
// FormatJSON. (A method named Format would be fmt's.)
func (d *Document) StoredAs() Format { return d.data().format }

// Current returns the version to use for new work: the one that "current" names, else the last. Times play no part: an
// expired current version is returned too.
func (d *Document) Current() Version { return d.version(d.data().current) }

// Version returns the version with that id, expired or not: what was made with it must stay readable. Else the error wraps
// [ErrVersionNotFound].
func (d *Document) Version(id string) (Version, error) {
	return d.picked(d.data().pickVersion(id))
}

// At returns the version that was in force at t. Of the versions that were active then (activeFrom <= t < expiresAt), those
// that begin later than the current version are announced and answer last; among the rest the latest activeFrom wins,
// between equals the current version, then the later in the text. A version that has expired since still answers for its
// time. Where none was active the error wraps [ErrNotActive].
//
// No time can tell which version made a record within seconds of a rotation: machines learn of it at different moments.
// Store [Version.ID] beside the record where you can.
func (d *Document) At(t time.Time) (Version, error) {
	return d.picked(d.data().pickAt(t))
}

// Active returns what to accept now: every version that has not expired, the current one first if it is among them, then
// the latest activeFrom first, then the later in the text. Announced versions count, since another machine's clock or copy
// may be ahead of this one. None is an empty slice. The slice is the caller's.
func (d *Document) Active(now time.Time) []Version {
	return d.accepted(func(e *entry) bool { return !e.expired(now) })
}

// ActiveAt returns every version whose life includes t (activeFrom <= t < expiresAt), in the order of [Document.Active].
func (d *Document) ActiveAt(t time.Time) []Version {
	return d.accepted(func(e *entry) bool { return e.activeAt(t) })
}

// ActiveVersion returns the version with that id if it has not expired: for a token that names its key. Else the error
// wraps [ErrVersionNotFound] or [ErrNotActive].
func (d *Document) ActiveVersion(id string, now time.Time) (Version, error) {
	return d.picked(d.data().pickActiveVersion(id, now))
}

// All yields the versions in the order in which they stand in the text.
func (d *Document) All() iter.Seq[Version] {
	return func(yield func(Version) bool) {
		for i := range d.data().entries {
			if !yield(d.version(i)) {
				return
			}
		}
	}
}
