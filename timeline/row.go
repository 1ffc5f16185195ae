package timeline

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// fill is the look of a stretch of a bar. It shows the state of the version at
// that time.
type fill int

const (
	gone      fill = iota // readers no longer see the version
	accepted              // readers accept it; it is not used for new work
	current               // used for new work
	announced             // readers have it; its use is planned
)

// stretch is a part of a life. A zero time is an open end.
type stretch struct {
	from, until time.Time
	fill        fill
}

// row is one version with all that is drawn for it.
type row struct {
	id        string // printable
	name      string // the id as the program gave it
	fill      fill   // the state of the version now
	stretches []stretch
	never     time.Time // planned start of a version that was never used
	word      string    // its state, in a word
	until     time.Time // the end of its life; for an announced version, its start. Zero: none
}

// block is one secret with all that is drawn for it.
type block struct {
	Secret
	rows   []row
	hidden int // number of long-ended versions that are left out
	// Earliest flip to the pending version. Zero: none is pending, or it may flip
	// now.
	flip time.Time
}

// keepGone is the largest number of ended versions that are drawn for a secret.
const keepGone = 4

func newBlock(s Secret, now time.Time) block {
	b := block{Secret: s}
	versions := inOrder(s.Versions)
	for _, v := range versions {
		if v.ID == s.Pending && v.Gone == "" {
			b.flip = later(v.From, s.Ready)
		}
	}
	if !b.flip.After(now) {
		b.flip = time.Time{}
	}
	for _, v := range versions {
		b.rows = append(b.rows, b.row(v, versions, now))
	}
	return b
}

// row computes the states of a version in the past, now and in the future.
func (b block) row(v Version, all []Version, now time.Time) row {
	r := row{id: printable(v.ID), name: v.ID, until: v.Until}
	switch {
	case v.Gone != "" && unused(v, now):
		r.word, r.never = printable(v.Gone), v.From
		if v.Until.After(now) {
			r.until = time.Time{}
		}
	case v.Gone != "":
		r.word = printable(v.Gone)
		// It ended before its planned end, at a time that is not recorded.
		if v.Until.IsZero() || v.Until.After(now) {
			r.until = replaced(v, all, b.Pending)
			if r.until.IsZero() || r.until.After(now) {
				r.until = now
			}
		}
		r.stretches = []stretch{{v.From, r.until, gone}}
	case v.ID == b.Pending:
		r.fill, r.word, r.until = announced, "announced", b.flip
		r.stretches = []stretch{{later(v.From, b.flip), v.Until, announced}}
	case v.ID == b.Current:
		r.fill, r.word = current, "current"
		r.stretches = phases(v, b.flip)
	case !v.Until.IsZero() && !v.Until.After(now):
		r.word = "expired"
		r.stretches = []stretch{{v.From, v.Until, gone}}
	default:
		r.fill, r.word = accepted, "accepted"
		if end := replaced(v, all, b.Pending); !end.IsZero() {
			r.stretches = phases(v, end)
			break
		}
		r.stretches = []stretch{{v.From, v.Until, accepted}}
	}
	return r
}

// rotates reports whether the mark of the next rotation belongs on a row: the
// row of the version that is current at that time.
func (b block) rotates(r row) bool {
	holder := current
	for _, other := range b.rows {
		if other.fill == announced && !other.stretches[0].from.After(b.NextRotation) {
			holder = announced
		}
	}
	return r.fill == holder && !b.NextRotation.IsZero()
}

// phases cuts a life in two at the instant when another version takes over.
// Zero: no cut.
func phases(v Version, over time.Time) []stretch {
	if over.IsZero() || !v.Until.IsZero() && !over.Before(v.Until) {
		return []stretch{{v.From, v.Until, current}}
	}
	return []stretch{{v.From, over, current}, {over, v.Until, accepted}}
}

// unused reports whether a version ended before it became current.
func unused(v Version, now time.Time) bool {
	return v.Gone == "withdrawn" || v.From.After(now) || !v.Until.IsZero() && !v.Until.After(v.From)
}

// replaced returns the instant when another version took over from v: the start
// of the first version that became current after it. Zero: none did.
func replaced(v Version, all []Version, pending string) time.Time {
	var first time.Time
	after := false
	for _, o := range all {
		switch {
		case o.ID == v.ID:
			after = true
			continue
		case o.ID == pending || o.From.IsZero() || o.Gone != "" && unused(o, o.From):
			continue
		}
		if (o.From.After(v.From) || after && o.From.Equal(v.From)) && (first.IsZero() || o.From.Before(first)) {
			first = o.From
		}
	}
	return first
}

// inOrder returns the versions, oldest first.
func inOrder(versions []Version) []Version {
	list := slices.Clone(versions)
	number := map[string]int{}
	for _, v := range list {
		n, err := strconv.Atoi(strings.TrimPrefix(v.ID, "v"))
		if err != nil || !strings.HasPrefix(v.ID, "v") {
			slices.SortStableFunc(list, func(a, b Version) int { return a.From.Compare(b.From) })
			return list
		}
		number[v.ID] = n
	}
	slices.SortStableFunc(list, func(a, b Version) int { return number[a.ID] - number[b.ID] })
	return list
}

// prepare returns the blocks and the span of the drawing. It leaves out
// versions that ended long ago.
func prepare(secrets []Secret, now time.Time, loc *time.Location, scale func([]float64) float64) ([]block, span) {
	blocks := make([]block, len(secrets))
	for i, s := range secrets {
		blocks[i] = newBlock(s, now)
	}
	over := newSpan(blocks, now, loc, scale)
	for i := range blocks {
		b := &blocks[i]
		left := keepGone
		var rows []row
		for _, r := range slices.Backward(b.rows) {
			if r.fill == gone {
				ended := later(r.until, r.never)
				if left == 0 || !ended.IsZero() && over.seconds(ended) < over.from {
					b.hidden++
					continue
				}
				left--
			}
			rows = append(rows, r)
		}
		slices.Reverse(rows)
		b.rows = rows
	}
	return blocks, over
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// printable removes characters that move a terminal's cursor or are not one
// column wide.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
