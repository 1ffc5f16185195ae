package secret

import (
	"crypto/subtle"
	"time"
)

// Version is one value of a secret and its life. It is small, safe for concurrent use, and shows its id and life but never
// its value under any verb of fmt, in JSON or in a log. The zero Version holds no value: Text is empty, Equal is false.
type Version struct {
	// ID is the name that the value goes by, such as "v3". Store it beside whatever the value was used for.
	ID string
	// ActiveFrom is the instant from which the version is in force, in UTC. Zero: since ever.
	ActiveFrom time.Time
	// ExpiresAt is the first instant at which the version is no longer accepted, in UTC. Zero: never.
	ExpiresAt time.Time

	doc *Document // holds the value: see Document for what reflection shows of it
	i   int
}

// NewVersion makes a version for [NewDocument] or for a test. Zero times mean since ever and never. It knows no
// declaration: Bytes returns the text's bytes. What is wrong with the arguments is reported by NewDocument.
func NewVersion(id, text string, activeFrom, expiresAt time.Time) Version {
	e := entry{id: id, text: text, activeFrom: utc(activeFrom), expiresAt: utc(expiresAt)}
	return newDocument(&document{format: FormatPlain, text: text, entries: []entry{e}}).version(0)
}

// entry returns what v stands for: its public fields, which are the caller's to change, and the value behind it.
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

// Bytes returns the value as bytes. What that means is up to the declaration that the version was loaded for:
//
//   - Static, Generated without Options.Bytes, and versions from [Parse] and [NewVersion]: the bytes of the text;
//   - Random, Generated with Options.Bytes: exactly that many bytes, decoded from hex or from base64 in the standard or the
//     URL alphabet, padded or not, after all ASCII white space is dropped;
//   - the same with [EncodingRaw]: the bytes of the text, which must be that many.
//
// Errors wrap [ErrEncoding] and name lengths, never a character. The slice is the caller's.
func (v Version) Bytes() ([]byte, error) {
	data := v.doc.data()
	b, err := data.keyRule().decode(v.Text())
	if err != nil {
		return nil, &Error{Op: "bytes", Address: data.addr(), Version: v.ID, Err: err}
	}
	return b, nil
}

// Equal tells whether text is the value, in a time that depends on the lengths alone. An empty text never is.
func (v Version) Equal(text string) bool {
	own := v.Text()
	return own != "" && subtle.ConstantTimeCompare([]byte(own), []byte(text)) == 1
}
