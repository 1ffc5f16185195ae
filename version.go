package secret

import (
	"crypto/subtle"
	"time"
)

// Version is one value of a secret and its life. It is small, safe for
// concurrent use, and shows its id and life but never its value under any verb
// of fmt, in JSON or in a log. The zero Version holds no value: Text is empty,
// Equal is false.
type Version struct {
	// ID is the name of the value, such as "v3". Store it beside the data made with
	// the value.
	ID string
	// ActiveFrom is the instant from which the version is in force, in UTC. Zero:
	// no start, always active.
	ActiveFrom time.Time
	// ExpiresAt is the first instant at which the version is no longer accepted, in
	// UTC. Zero: never.
	ExpiresAt time.Time

	doc *Document // holds the value: see Document for what reflection shows of it
	i   int
}

// NewVersion returns a version for [NewDocument] or for a test. Zero times mean
// no start and no end. It has no declaration: Bytes returns the bytes of the
// text. NewDocument reports invalid arguments.
func NewVersion(id, text string, activeFrom, expiresAt time.Time) Version {
	e := entry{id: id, text: text, activeFrom: utc(activeFrom), expiresAt: utc(expiresAt)}
	return newDocument(&document{format: FormatPlain, text: text, entries: []entry{e}}).version(0)
}

// entry returns the version as an entry: its public fields, which the caller
// may change, and its value.
func (v Version) entry() entry {
	var e entry
	if data := v.doc.data(); v.i < len(data.entries) {
		e = data.entries[v.i]
	}
	e.id, e.activeFrom, e.expiresAt = v.ID, utc(v.ActiveFrom), utc(v.ExpiresAt)
	return e
}

// Text returns the value exactly as stored.
func (v Version) Text() string {
	if data := v.doc.data(); v.i < len(data.entries) {
		return data.entries[v.i].text
	}
	return ""
}

// Bytes returns the value as bytes. The declaration that the version was loaded
// for decides how:
//
//   - Static, Generated without Options.Bytes, and versions from [Parse] and
//     [NewVersion]: the bytes of the text;
//   - Random, Generated with Options.Bytes: exactly that many bytes, decoded
//     from hex or from base64 in the standard or the URL alphabet, padded or
//     not, after all ASCII white space is dropped;
//   - the same with [EncodingRaw]: the bytes of the text, which must be that
//     many.
//
// Errors wrap [ErrEncoding] and contain lengths, never a character. The slice
// belongs to the caller.
func (v Version) Bytes() ([]byte, error) {
	data := v.doc.data()
	b, err := data.keyRule().decode(v.Text())
	if err != nil {
		return nil, &Error{Op: "bytes", Address: data.addr(), Version: v.ID, Err: err}
	}
	return b, nil
}

// Equal reports whether text is the value, in a time that depends only on the
// lengths. It is false for an empty text.
func (v Version) Equal(text string) bool {
	own := v.Text()
	return own != "" && subtle.ConstantTimeCompare([]byte(own), []byte(text)) == 1
}
