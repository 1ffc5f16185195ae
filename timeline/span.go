package timeline

import (
	"math"
	"slices"
	"sync"
	"time"
)

// span is the time that a drawing covers. Its ends are in seconds from now: a
// time.Duration would end after 292 years.
type span struct {
	now         time.Time
	loc         *time.Location
	from, until float64 // from < 0 < until
}

const day = 86_400

// zoom limits the span of a drawing to so many times the length of an overlap:
// an overlap of seconds would be invisible beside a rotation every 90 days. The
// rest is cut off and described in words.
const zoom = 100

// newSpan returns the span that shows every life that continues, the last one
// that ended, and the next events.
//
// scale chooses one of the largest distances from now that suit the secrets, a
// distance each.
func newSpan(blocks []block, now time.Time, loc *time.Location, scale func([]float64) float64) span {
	if loc == nil {
		loc = time.UTC
	}
	s := span{now: now.In(loc), loc: loc}
	var events []float64
	add := func(t time.Time) {
		if !t.IsZero() {
			events = append(events, s.seconds(t))
		}
	}
	reaches := []float64{math.Inf(1)}
	for _, b := range blocks {
		reach := math.Inf(1)
		if !b.flip.IsZero() {
			// At least about an hour: in the last minutes before a flip, the lives around
			// it should stay visible.
			reach = min(reach, zoom*max(4*s.seconds(b.flip), 3600))
		}
		lastGone := -1
		for i, r := range b.rows {
			if r.fill == gone && len(r.stretches) > 0 {
				lastGone = i
			}
		}
		for i, r := range b.rows {
			if r.fill == gone && i != lastGone {
				continue
			}
			for _, st := range r.stretches {
				add(st.from)
				add(st.until)
				if st.fill == accepted && r.fill == accepted && !st.from.IsZero() && !st.until.IsZero() {
					reach = min(reach, zoom*(s.seconds(st.until)-s.seconds(st.from)))
				}
			}
		}
		reaches = append(reaches, reach)
	}
	reach := scale(reaches)
	cover := func() {
		for _, e := range events {
			if math.Abs(e) <= reach {
				s.from, s.until = min(s.from, e), max(s.until, e)
			}
		}
	}
	cover()
	if !math.IsInf(reach, 1) && s.length() > 0 { // while a life continues
		reach = min(reach, zoom*s.length())
	}
	events = nil
	for _, b := range blocks {
		add(b.NextRotation)
	}
	cover()
	total := max(s.length(), 10)
	if s.length() == 0 {
		total = day
	}
	// Room for lives that continue beyond the first and the last event.
	s.from = min(s.from-0.04*total, -0.15*total)
	s.until = max(s.until+0.06*total, 0.15*total)
	return s
}

// shortest suits the secret with the shortest overlap. Every overlap is then
// visible.
func shortest(reaches []float64) float64 { return slices.Min(reaches) }

// usual suits half of the secrets: of a thousand, one with an overlap of seconds
// leaves the others readable.
func usual(reaches []float64) float64 {
	slices.Sort(reaches)
	return reaches[(len(reaches)-1)/2]
}

// seconds returns the time from now to t.
func (s span) seconds(t time.Time) float64 {
	return float64(t.Unix()-s.now.Unix()) + float64(t.Nanosecond()-s.now.Nanosecond())/1e9
}

func (s span) length() float64 { return s.until - s.from }

// shows reports whether a stretch is drawn. A stretch that ends before the
// drawing begins is not. The first stretch of a life that begins after the
// drawing's end is drawn, as an arrow.
func (s span) shows(st stretch, first bool) bool {
	if !st.until.IsZero() && s.seconds(st.until) <= s.from {
		return false
	}
	return first || st.from.IsZero() || s.seconds(st.from) < s.until
}

// stamp formats an instant with the precision of the drawing.
func (s span) stamp(t time.Time) string {
	t = t.In(s.loc)
	switch {
	case sameDay(t, s.now) && s.length() < 1200:
		return t.Format("15:04:05")
	case sameDay(t, s.now):
		return t.Format("today 15:04")
	case s.length() >= 14*day:
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02 15:04")
}

func sameDay(a, b time.Time) bool {
	return a.Year() == b.Year() && a.YearDay() == b.YearDay()
}

// tick is a mark of the axis: its label, and above it the larger unit where
// that changes.
type tick struct {
	at           float64
	label, above string
}

// step is the distance of ticks: a number of seconds of a day, of days of a
// month, or of months.
type step struct {
	seconds, days, months int
	layout, above         string
}

var steps = sync.OnceValue(func() []step {
	var list []step
	for _, n := range []int{1, 2, 5, 10, 15, 30} {
		list = append(list, step{seconds: n, layout: "15:04:05", above: "Mon 2006-01-02"})
	}
	for _, n := range []int{1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720} {
		list = append(list, step{seconds: 60 * n, layout: "15:04", above: "Mon 2006-01-02"})
	}
	for _, n := range []int{1, 2, 7, 15} {
		list = append(list, step{days: n, layout: "2", above: "Jan 2006"})
	}
	for _, n := range []int{1, 2, 3, 6} {
		list = append(list, step{months: n, layout: "Jan", above: "2006"})
	}
	for n := 1; n <= 1000; n *= 10 {
		for _, m := range []int{1, 2, 5} {
			list = append(list, step{months: 12 * n * m, layout: "2006"})
		}
	}
	return list
})

func (st step) length() float64 {
	return float64(st.seconds) + day*float64(st.days) + 30.4*day*float64(st.months)
}

// larger returns the length of the unit that is shown above the labels.
func (st step) larger() float64 {
	switch {
	case st.seconds > 0:
		return day
	case st.days > 0:
		return 28 * day
	}
	return 365 * day
}

// ticks returns the marks of the axis, as many as fit with the width that each
// label needs. wide is the width of the whole axis, in letters.
func (s span) ticks(wide float64) []tick {
	st := steps()[len(steps())-1]
	for _, try := range steps() {
		letters := wide / s.length() // a second
		if try.length()*letters >= float64(len(try.layout)+2) &&
			(try.above == "" || try.larger()*letters >= float64(len(try.above)+1)) {
			st = try
			break
		}
	}
	first := time.Unix(s.now.Unix()+int64(math.Floor(s.from)), 0).In(s.loc)
	year, month, date := first.Date()
	clock := 3600*first.Hour() + 60*first.Minute() + first.Second()
	var list []tick
	above := ""
	add := func(t time.Time) bool {
		x := s.seconds(t)
		if x > s.until {
			return false
		}
		if x >= s.from && (len(list) == 0 || x > list[len(list)-1].at) {
			k := tick{at: x, label: t.Format(st.layout)}
			if a := t.Format(st.above); a != above {
				k.above, above = a, a
			}
			list = append(list, k)
		}
		return true
	}
	switch {
	// Each tick is counted from the first. So a change of the clocks cannot lead a
	// step back to where it began.
	case st.seconds > 0:
		for i := clock / st.seconds; add(time.Date(year, month, date, 0, 0, i*st.seconds, 0, s.loc)); i++ {
		}
	case st.days > 0:
		for m := month; add(time.Date(year, m, 1, 0, 0, 0, 0, s.loc)); m++ {
			for d := 1 + st.days; d <= 30-st.days/2; d += st.days {
				if t := time.Date(year, m, d, 0, 0, 0, 0, s.loc); t.Day() == d {
					add(t)
				}
			}
		}
	default:
		n := (12*year + int(month) - 1) / st.months
		for ; add(time.Date(0, time.Month(1+n*st.months), 1, 0, 0, 0, 0, s.loc)); n++ {
		}
	}
	return list
}
