package secret

import (
	"encoding/json"
	"strings"
	"time"
)

// Warning is a fault that does not stop reads but that an operator should know
// of.
type Warning struct {
	// Code is one of the Warn constants.
	Code string `json:"code"`
	// Version is the id of the version with the fault, or empty.
	Version string `json:"version,omitempty"`
	// Message describes the fault in one sentence, without any part of a value.
	Message string `json:"message"`
}

const (
	// WarnCurrentMissing: "current" names a version that the document does not
	// hold; reads return the last version instead. An App accepts such a document
	// only at Start. If a refresh finds such a document, the load counts as failed,
	// and the last good document stays in use.
	WarnCurrentMissing = "current_missing"
	// WarnCurrentExpired: the current version has expired. Programs still use it
	// for new work, and readers reject the results.
	WarnCurrentExpired = "current_expired"
	// WarnExpiresSoon: the current version expires within a week, and no other one
	// lives longer.
	WarnExpiresSoon = "expires_soon"
	// WarnRotationOverdue: by the declared Rotation the current version should have
	// been replaced at least three days ago.
	WarnRotationOverdue = "rotation_overdue"
	// WarnWhiteSpace: a plain value begins or ends with white space, which often
	// breaks a header or a password. A JSON object or array, and a PEM text (its
	// last line is the END line of one of its blocks) give no such warning: their
	// readers skip white space there, and files of this kind end with a newline.
	WarnWhiteSpace = "white_space"
)

const (
	day  = 24 * time.Hour
	soon = 7 * day
	// a rotation takes two phases, by default a day apart, and spreads over some
	// hours
	overdueAfter = 3 * day
)

// faultsOfText returns the warnings that do not depend on the time.
func (d *document) faultsOfText() (found []Warning) {
	if d.markerMissing() {
		found = append(found, Warning{WarnCurrentMissing, "",
			"current names a version that is not there; the last one is read instead"})
	}
	e := &d.entries[d.current]
	if d.format == FormatPlain && (isSpace(e.text[0]) || isSpace(e.text[len(e.text)-1])) && !endsWithNewline(e.text) {
		found = append(found, Warning{WarnWhiteSpace, "",
			"the plain value begins or ends with white space, which is part of the value"})
	}
	return found
}

// markerMissing reports whether "current" names no version of d. A truncated
// compact text is one cause.
func (d *document) markerMissing() bool { return d.marker != "" && d.find(d.marker) < 0 }

// warnings returns all warnings at the instant now.
func (d *document) warnings(rotation *Rotation, now time.Time) []Warning {
	found := d.faultsOfText()
	e := &d.entries[d.current]
	switch {
	case e.expired(now):
		found = append(found, Warning{WarnCurrentExpired, e.id,
			"the current version has expired: readers reject new work made with it"})
	case e.expired(now.Add(soon)) && !d.succeeded(e):
		found = append(found, Warning{WarnExpiresSoon, e.id,
			"the current version expires within a week and has no successor"})
	}
	if due := d.rotationDue(rotation, now); !due.IsZero() && !now.Before(due.Add(overdueAfter)) {
		found = append(found, Warning{WarnRotationOverdue, e.id,
			"the current version is older than the declared rotation allows"})
	}
	return found
}

// rotationDue returns when rotation replaces the current version, or zero if
// that is unknown at the instant now.
func (d *document) rotationDue(rotation *Rotation, now time.Time) time.Time {
	from := d.entries[d.current].activeFrom
	if rotation == nil || from.IsZero() || from.After(now) { // a future start could be centuries ahead
		return time.Time{}
	}
	return rotation.after(from)
}

// succeeded reports whether another version outlives e.
func (d *document) succeeded(e *entry) bool {
	for i := range d.entries {
		if o := &d.entries[i]; o != e && (o.expiresAt.IsZero() || o.expiresAt.After(e.expiresAt)) {
			return true
		}
	}
	return false
}

// after returns when to replace the version that became current at t: a period
// later or, if the policy has an anchor, at the next multiple of the period
// from the anchor.
func (r *Rotation) after(t time.Time) time.Time {
	period := time.Duration(r.EveryDays) * day
	if r.StartAt.IsZero() {
		return t.Add(period)
	}
	if t.Before(r.StartAt) {
		return r.StartAt
	}
	return r.StartAt.Add((t.Sub(r.StartAt)/period + 1) * period)
}

// endsWithNewline reports whether text is of a kind that normally ends with a
// newline and is read without the white space around it: a JSON object or
// array, or PEM. A JSON number or string is none: it may be a password.
func endsWithNewline(text string) bool {
	trimmed := strings.TrimFunc(text, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
	if trimmed[0] == '{' || trimmed[0] == '[' {
		return json.Valid([]byte(text))
	}
	return isPEM(trimmed)
}

// isPEM reports whether the last line of text ends a PEM block. Other text may
// precede the block, as in the files that OpenSSL writes.
func isPEM(text string) bool {
	const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"
	last := text[strings.LastIndexByte(text, '\n')+1:]
	label, isEnd := strings.CutPrefix(last, end)
	label, whole := strings.CutSuffix(label, dashes)
	if !isEnd || !whole {
		return false
	}
	opening := begin + label + dashes
	return strings.HasPrefix(text, opening) || strings.Contains(text, "\n"+opening)
}
