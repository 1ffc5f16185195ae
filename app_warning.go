package secret

import "time"

// Warning is something that reads get over but an operator should know.
type Warning struct {
	// Code is one of the Warn constants.
	Code string `json:"code"`
	// Version is the id in question, or empty.
	Version string `json:"version,omitempty"`
	// Message says it in a sentence, without any part of a value.
	Message string `json:"message"`
}

const (
	// WarnCurrentMissing: "current" names a version that the document does not hold; the last one is read instead. An App
	// reads such a document at Start only: as a refresh it fails, and does not replace a good document.
	WarnCurrentMissing = "current_missing"
	// WarnCurrentExpired: the current version has expired; it is still used for new work, which nobody accepts.
	WarnCurrentExpired = "current_expired"
	// WarnExpiresSoon: the current version expires within a week, and no other one lives longer.
	WarnExpiresSoon = "expires_soon"
	// WarnRotationOverdue: by the declared Rotation the current version should have been replaced three days ago or more.
	WarnRotationOverdue = "rotation_overdue"
	// WarnWhiteSpace: a plain value begins or ends with white space, which often breaks a header or a password.
	WarnWhiteSpace = "white_space"
)

const (
	day          = 24 * time.Hour
	soon         = 7 * day
	overdueAfter = 3 * day // a rotation takes two phases, a day apart unless told otherwise, and spreads over some hours
)

// faultsOfText are the warnings that need no clock.
func (d *document) faultsOfText() (found []Warning) {
	if d.markerMissing() {
		found = append(found, Warning{WarnCurrentMissing, "", "current names a version that is not there; the last one is read instead"})
	}
	e := &d.entries[d.current]
	if d.format == FormatPlain && (isSpace(e.text[0]) || isSpace(e.text[len(e.text)-1])) {
		found = append(found, Warning{WarnWhiteSpace, "", "the plain value begins or ends with white space, which is part of it"})
	}
	return found
}

// markerMissing reports whether "current" names no version. A compact text that
// was cut off looks like that.
func (d *document) markerMissing() bool { return d.marker != "" && d.find(d.marker) < 0 }

// warnings returns all there are at an instant.
func (d *document) warnings(rotation *Rotation, now time.Time) []Warning {
	found := d.faultsOfText()
	e := &d.entries[d.current]
	switch {
	case e.expired(now):
		found = append(found, Warning{WarnCurrentExpired, e.id, "the current version has expired: what is made with it is not accepted"})
	case e.expired(now.Add(soon)) && !d.succeeded(e):
		found = append(found, Warning{WarnExpiresSoon, e.id, "the current version expires within a week and has no successor"})
	}
	if rotation != nil && !e.activeFrom.IsZero() && !e.activeFrom.After(now) && // one to come is not late, and could be centuries off
		!now.Before(rotation.after(e.activeFrom).Add(overdueAfter)) {
		found = append(found, Warning{WarnRotationOverdue, e.id, "the current version is older than the declared rotation allows"})
	}
	return found
}

// succeeded tells whether another version outlives e.
func (d *document) succeeded(e *entry) bool {
	for i := range d.entries {
		if o := &d.entries[i]; o != e && (o.expiresAt.IsZero() || o.expiresAt.After(e.expiresAt)) {
			return true
		}
	}
	return false
}

// after returns when the version that became current at t was to be replaced: a period later, or where the policy has an
// anchor at the next multiple of the period from there.
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
