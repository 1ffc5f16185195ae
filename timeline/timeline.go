// Package timeline draws the lives of secrets' versions as bars over time: as
// text, as SVG, and in pieces for an HTML page. `layer secret timeline` and the
// page of package statushttp use it. It reads no clock and no file, and receives
// no values. Every text in a drawing is escaped.
package timeline

import "time"

// Secret is one secret and the versions that it has or had. A drawing orders them
// by number if every id is v1, v2 and so on, else by the start of their lives.
type Secret struct {
	Address  string
	Versions []Version
	// Current is the id of the current version, Pending that of an announced one.
	// Empty: none.
	Current, Pending string
	// NextRotation is when the next rotation is due. Ready is the earliest time of
	// the flip to the pending version. Zero: not known.
	NextRotation, Ready time.Time
}

// Version is one bar.
type Version struct {
	ID string
	// From and Until are its life. Zero: no start, and no end.
	From, Until time.Time
	// Gone is the reason why readers no longer see it, in a word: pruned, revoked,
	// withdrawn, replaced. Empty: they see it.
	Gone string
}

// TextOptions are the options of [Text].
type TextOptions struct {
	// Width is the largest number of columns of a line. Zero: 80. Less than 40
	// counts as 40.
	Width int
	// ASCII uses only characters that every terminal and every log supports.
	ASCII bool
	// Color adds the colours of a terminal. No information is in the colour alone.
	Color bool
	// Location is the time zone of the instants. Nil: UTC.
	Location *time.Location
}
