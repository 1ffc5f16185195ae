package secret

import (
	"iter"
	"sync/atomic"
	"time"
)

// Document is one parsed stored text: versions in the order of the text, and a
// marker for the current one. A Document never changes, so all reads from one
// are consistent, and it may be used concurrently. It shows no value under any
// verb of fmt, in JSON or in a log.
//
// Documents come from [Parse], [NewDocument] and [Secret.Load]. The zero
// Document holds no version.
type Document struct {
	p atomic.Pointer[document] // reflection, and so fmt, shows only an address here
}

// document is a parsed text. It never changes after newDocument. Every secret
// of an App holds one: a further field costs each secret.
type document struct {
	public    Document // points to this document: one allocation holds both
	format    Format
	ascending bool   // whether the versions are in the order of their activeFrom
	current   int32  // index of the current version
	marker    string // the id in "current"; empty: none
	text      string // of the current version: programs read it most often
	entries   []entry
	index     *index                  // of entries by id; nil for few entries
	order     atomic.Pointer[[]int32] // see inOrder
	extra     string                  // top-level JSON members that this format does not name, byte for byte

	// of the secret that d was loaded for; nil: none. If its err is set, every read
	// of d fails with it and there are no versions.
	decl  *declaration
	print fingerprint // of the text, in a document that was loaded
}

// entry is one version. A zero activeFrom means always active, a zero expiresAt
// never expires.
type entry struct {
	_                     uncomparable
	id, text              string
	activeFrom, expiresAt time.Time
	extra                 string // as in document
}

// uncomparable is a field of structs that are never compared. It saves a Worker
// the code for == that the compiler writes for each type: 1.4 KB in all.
type uncomparable [0]func()

func newDocument(d *document) *Document {
	d.ascending = isAscending(d.entries)
	d.public.p.Store(d)
	return &d.public
}

// failing returns a document whose reads fail with err.
func failing(decl *declaration, err error) *Document {
	failed := *decl
	failed.err = err
	return newDocument(&document{decl: &failed})
}

// err returns the error of every read of d, or nil.
func (d *document) err() error {
	if d.decl == nil {
		return nil
	}
	return d.decl.err
}

const (
	entrySize  = 112 // bytes of memory for one entry
	fewEntries = 64  // up to this number the memory needs no check: see checksDense
)

var noDocument document

// addr returns the address of the secret that d was loaded for, or the zero
// Address.
func (d *document) addr() Address {
	if d.decl == nil {
		return Address{}
	}
	return d.decl.addr
}

// keyRule returns the rule for decoding the versions of d to bytes.
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

// NewDocument returns a document of versions in the given order. current is the
// id of the current version; if it is "", the last version is current. As in a
// parsed text, an id that names no version is kept.
//
// Errors wrap [ErrInvalid]: no versions, an empty or repeated id, an empty
// value, an ExpiresAt that is not after ActiveFrom, a time outside 1970 to
// 9999.
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

// seal completes d: it frees unneeded memory and picks the current version.
// copied reports that some strings of d are not parts of the text; the other
// strings would keep the whole text alive beside these copies. seal returns the
// index of a version with the id of an earlier one, or -1.
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
	d.current = int32(len(d.entries) - 1)
	if i := d.find(d.marker); i >= 0 {
		d.current = int32(i)
	}
	if n := len(d.entries); n > 0 {
		d.text = d.entries[d.current].text
	}
	return -1
}

// detach copies all strings of d into one string of exactly their length.
func (d *document) detach() {
	size := 0
	d.eachString(func(s *string) { size += len(*s) })
	all := make([]byte, 0, size)
	d.eachString(func(s *string) { all = append(all, *s...) })
	rest := ownString(all)
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

func (e *entry) activeAt(t time.Time) bool { return e.begun(t) && !e.expired(t) }

func (e *entry) begun(t time.Time) bool { return e.activeFrom.IsZero() || !t.Before(e.activeFrom) }

func (e *entry) expired(t time.Time) bool { return !e.expiresAt.IsZero() && !t.Before(e.expiresAt) }

// The following functions return the index of the version that a read asks for,
// or an error if there is none.

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

// pickActiveVersion calls clock only for a version that expires: reading the
// clock takes longer than the rest.
func (d *document) pickActiveVersion(id string, clock func() time.Time) (int, error) {
	i := d.find(id)
	switch {
	case i < 0:
		return -1, d.refuse("active version", id, ErrVersionNotFound)
	case !d.entries[i].expiresAt.IsZero() && d.entries[i].expired(clock()):
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
	return data.entries[i].version(d, i)
}

func (e *entry) version(d *Document, i int) Version {
	return Version{ID: e.id, ActiveFrom: e.activeFrom, ExpiresAt: e.expiresAt, doc: d, i: i}
}

func (d *Document) picked(i int, err error) (Version, error) {
	if err != nil {
		return Version{}, err
	}
	return d.version(i), nil
}

// StoredAs returns the format of the text: FormatPlain, FormatJSON or
// FormatCompact. It is FormatJSON for a document made by [NewDocument]. (Its
// name is not Format, because that is the method of [fmt.Formatter].)
func (d *Document) StoredAs() Format { return d.data().format }

// Current returns the version for new work: the one that "current" names, else
// the last. It does not look at times: it returns an expired current version
// too.
func (d *Document) Current() Version { return d.version(int(d.data().current)) }

// Version returns the version with that id, expired or not, because data made
// with it must stay readable. If there is none, the error wraps
// [ErrVersionNotFound].
func (d *Document) Version(id string) (Version, error) {
	return d.picked(d.data().pickVersion(id))
}

// At returns the version that was in force at t. It considers the versions that
// were active then (activeFrom <= t < expiresAt). A version that begins later
// than the current version is announced, and is returned only if no other was
// active. Among the others the latest activeFrom wins; between equal times the
// current version wins, then the later in the text. A version that has expired
// since is still returned for a time in its life. If none was active, the error
// wraps [ErrNotActive].
//
// For a time within seconds of a rotation At can return a version that did not
// make the record: machines get the new version at different moments. Store
// [Version.ID] beside the record if possible.
func (d *Document) At(t time.Time) (Version, error) {
	return d.picked(d.data().pickAt(t))
}

// Active returns the versions that a program must accept now: every version
// that has not expired, announced versions included. The clock or the document
// of another machine may be ahead, and that machine may use an announced
// version as its current one before this program does. That is the difference
// from ActiveAt(now), which leaves announced versions out because their
// activeFrom is after now.
//
// The current version comes first if it has not expired, then the others by
// activeFrom, latest first, and for equal times the later in the text first. If
// there is none, the slice is empty. The slice belongs to the caller.
func (d *Document) Active(now time.Time) []Version {
	return d.accepted(now, false)
}

// ActiveAt returns every version whose life includes t (activeFrom <= t <
// expiresAt), in the order of [Document.Active]. It suits records of a known
// time. To accept or reject something now use Active: ActiveAt(now) leaves
// announced versions out.
func (d *Document) ActiveAt(t time.Time) []Version {
	return d.accepted(t, true)
}

// ActiveVersion returns the version with that id if it has not expired: for a
// token that contains the id of its key. Otherwise the error wraps
// [ErrVersionNotFound] or [ErrNotActive].
func (d *Document) ActiveVersion(id string, now time.Time) (Version, error) {
	return d.picked(d.data().pickActiveVersion(id, func() time.Time { return now }))
}

// All yields the versions in the order of the text.
func (d *Document) All() iter.Seq[Version] {
	return func(yield func(Version) bool) {
		for i := range d.data().entries {
			if !yield(d.version(i)) {
				return
			}
		}
	}
}
