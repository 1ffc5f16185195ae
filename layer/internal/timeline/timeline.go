// Package timeline draws the lives of secrets' versions as bars over time, as text and as SVG. It reads no clock and no file,
// and sees no values.
package timeline

import "time"

// Secret is one secret and the versions it has or had. Text and SVG show them by number where every id is v1, v2 and so on, else
// by the start of their lives.
type Secret struct {
	Address  string
	Versions []Version
	// Current is the id of the version in use, Pending that of an announced one. Empty: there is none.
	Current, Pending string
	// NextRotation is when the next rotation is due, Ready when the pending version comes into use at the earliest. Zero: not known.
	NextRotation, Ready time.Time
}

// Version is one bar.
type Version struct {
	ID string
	// From and Until are its life. Zero: since ever, and without end.
	From, Until time.Time
	// Gone says why readers do not see it any more, in a word: pruned, revoked, withdrawn. Empty: they do.
	Gone string
}

// TextOptions are how text is drawn.
type TextOptions struct {
	// Width is the number of columns that no line passes. Zero: 80. Less than 40 counts as 40.
	Width int
	// ASCII draws with characters that every terminal and every log has.
	ASCII bool
	// Color adds the colours of a terminal. Nothing is told by colour alone.
	Color bool
	// Location is the time zone of what is written. Nil: UTC.
	Location *time.Location
}
