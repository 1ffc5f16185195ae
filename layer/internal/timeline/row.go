package timeline

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// fill is how a stretch of a bar looks: what the version is good for at that time.
type fill int

const (
	gone      fill = iota // readers do not see the version any more
	accepted              // readers accept what was made with it, and make nothing new
	current               // in use
	announced             // readers know it; its use is planned
)

// stretch is a part of a life. Zero times: open.
type stretch struct {
	from, until time.Time
	fill        fill
}

// row is one version as it is drawn.
type row struct {
	id        string
	fill      fill // how the version stands now
	stretches []stretch
	never     time.Time // where the planned use of a version that was never used would have begun
	word      string    // how it stands, in a word
	until     time.Time // the end of its life; of an announced version, its beginning. Zero: none
}

// block is one secret as it is drawn.
type block struct {
	Secret
	rows   []row
	hidden int       // rows of versions long gone that are left out
	flip   time.Time // when the pending version comes into use. Zero: there is none, or nothing holds it back
}

// keepGone is how many versions that are gone a secret shows at most.
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

// row decides what the version was, is and will be good for.
func (b block) row(v Version, all []Version, now time.Time) row {
	r := row{id: printable(v.ID), until: v.Until}
	switch {
	case v.Gone != "" && unused(v, now):
		r.word, r.never = printable(v.Gone), v.From
		if v.Until.After(now) {
			r.until = time.Time{}
		}
	case v.Gone != "":
		r.word = printable(v.Gone)
		if v.Until.IsZero() || v.Until.After(now) { // it ended before its planned end, at a time that nobody wrote down
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

// rotates tells whether the next rotation is to be marked on a row: on that of the version which is current then.
func (b block) rotates(r row) bool {
	holder := current
	for _, other := range b.rows {
		if other.fill == announced && !other.stretches[0].from.After(b.NextRotation) {
			holder = announced
		}
	}
	return r.fill == holder && !b.NextRotation.IsZero()
}

// phases cuts a life in two where another version takes over. Zero: nowhere.
func phases(v Version, over time.Time) []stretch {
	if over.IsZero() || !v.Until.IsZero() && !over.Before(v.Until) {
		return []stretch{{v.From, v.Until, current}}
	}
	return []stretch{{v.From, over, current}, {over, v.Until, accepted}}
}

// unused tells whether a version left before it came into use.
func unused(v Version, now time.Time) bool {
	return v.Gone == "withdrawn" || v.From.After(now) || !v.Until.IsZero() && !v.Until.After(v.From)
}

// replaced returns when another version took over from v: the start of the first that came into use after it. Zero: none did.
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

// prepare makes the blocks and the time they are drawn over, and leaves out what is long gone.
func prepare(secrets []Secret, now time.Time, loc *time.Location) ([]block, span) {
	blocks := make([]block, len(secrets))
	for i, s := range secrets {
		blocks[i] = newBlock(s, now)
	}
	over := newSpan(blocks, now, loc)
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

// printable keeps what would move a terminal's cursor, or is not one column wide, out of a line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
