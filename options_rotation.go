package secret

import "time"

// Rotation declares how often a value is renewed and how long a replaced one
// stays accepted. Reads do not depend on it: the library returns the versions
// that are stored. `layer secret rotate` and package rotate carry the
// declaration out.
type Rotation struct {
	// EveryDays is the period in days of 24 hours: 7 to 36,500. There is no
	// default.
	EveryDays int `json:"everyDays"`
	// StartAt anchors the period, so that many secrets can rotate on a chosen day.
	// Zero: the value's creation.
	StartAt time.Time `json:"startAt,omitzero"`
	// Retain is how long a replaced version stays accepted beyond window and
	// margin, see [RetainNone].
	Retain Retention `json:"retain"`
}

// Retention is how long a replaced version is kept. The zero value is
// RetainNone.
type Retention struct {
	Mode RetentionMode `json:"mode"` // always written
	// Days is the number of days for RetainFor: 1 to 36,500. With another mode it
	// must be zero.
	Days int `json:"days,omitempty"`
}

// RetentionMode is one of RetainNone, RetainFor and RetainForever.
type RetentionMode uint8

const (
	// RetainNone, the zero value: a replaced version expires a window (the time
	// after which every reader has a published text) and a margin (for late
	// requests and clocks) after its replacement. `layer secret init` sets both;
	// each is 24 hours by default.
	RetainNone RetentionMode = iota
	// RetainFor keeps a replaced version for Retention.Days more.
	RetainFor
	// RetainForever keeps every version: encrypted data stays readable.
	RetainForever
)

// String returns the mode's name in the spec: none, retain_for or
// retain_forever.
func (m RetentionMode) String() string { return constantName(m, retentionModeNames) }

// MarshalText returns the name. For a constant that this package does not
// define it returns [ErrInvalid].
func (m RetentionMode) MarshalText() ([]byte, error) { return constantText(m, retentionModeNames) }

// UnmarshalText parses a name; any other text is [ErrInvalid].
func (m *RetentionMode) UnmarshalText(text []byte) error {
	return readConstant(m, text, retentionModeNames)
}

var retentionModeNames = []string{"none", "retain_for", "retain_forever"}
