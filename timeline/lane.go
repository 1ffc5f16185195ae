package timeline

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"
)

// The measures of a lane, in pixels. A lane is the drawing of one version. Its
// horizontal measures are percentages, so that a page can give it any width
// without a change of the letters and the lines.
const (
	laneHeight = 24
	barTop     = 5
	barHeight  = 14
	axisHeight = 58
	letter     = 7.4 // greatest average width of a letter of 12 px
)

// Style is the CSS of lanes and axes. Every colour is defined twice, for light
// and for dark paper, and has a contrast of at least 4.5 with its background.
// Stretches also differ in their pattern, for people who see no colours.
const Style = `.lane,.lane svg,.axis,.axis svg{overflow:visible}
.axis text{font-size:12px;fill:#1f2328}.axis .above{font-weight:700;fill:#59636e}.axis .nowtext{font-weight:700;fill:#cf222e}
.grid{stroke:#6e7781;stroke-width:1;stroke-dasharray:1 5}.base{stroke:#6e7781;stroke-width:1}
.gone{fill:#6e7781}.current{fill:#0969da}.accepted{fill:url(#timeline-hatch)}.announced{fill:#ddf4ff}
.brief{fill:#0969da}.gone .brief{fill:#6e7781}
.accepted,.announced{stroke:none}.accepted line,.announced line,.accepted path,.announced path{stroke:#0969da;stroke-width:1.5}
.announced line,.announced path{stroke-dasharray:4 3}.hatch{stroke:#0969da}.hatched{fill:#ddf4ff}
.halo{stroke:#fff;stroke-width:6}.now{stroke:#cf222e;stroke-width:2}.pointer{fill:#cf222e}
.next{fill:#9a6700;stroke:#fff;stroke-width:1.5}.never{stroke:#59636e;stroke-width:2}
@media (prefers-color-scheme:dark){
.axis text{fill:#e6edf3}.axis .above{fill:#9198a1}.axis .nowtext{fill:#ff7b72}
.grid,.base{stroke:#848d97}
.gone,.gone .brief{fill:#848d97}.current,.brief{fill:#4493f8}.announced{fill:#121d2f}
.accepted line,.announced line,.accepted path,.announced path,.hatch{stroke:#4493f8}.hatched{fill:#121d2f}
.halo{stroke:#0d1117}.now{stroke:#ff7b72}.pointer{fill:#ff7b72}
.next{fill:#e3b341;stroke:#0d1117}.never{stroke:#9198a1}
}
`

// hatch is the pattern that Style refers to. A document has it once.
const hatch = `<pattern id="timeline-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
	`<rect class="hatched" width="6" height="6"/><line class="hatch" x1="0" y1="0" x2="0" y2="6" stroke-width="3"/></pattern>`

var laneClass = [4]string{gone: "gone", accepted: "accepted", current: "current", announced: "announced"}

// at returns the position of an instant between 0 and 100.
func (s span) at(seconds float64) float64 {
	return (min(max(seconds, s.from), s.until) - s.from) / s.length() * 100
}

// lane draws one version over a ground: the content of an svg element that is
// laneHeight high.
func (s span) lane(b block, r row, ground string) string {
	var w strings.Builder
	fmt.Fprintf(&w, "<title>%s</title>%s", html.EscapeString(s.life(r)), ground)
	for i, st := range r.stretches {
		if s.shows(st, i == 0) {
			s.bar(&w, st)
		}
	}
	const middle = barTop + barHeight/2
	if x := s.seconds(r.never); !r.never.IsZero() && x >= s.from && x <= s.until {
		fmt.Fprintf(&w, `<svg x="%.2f%%"><path class="never" d="M-4 %dl8 8m-8 0l8 -8"/></svg>`, s.at(x), middle-4)
	}
	for _, class := range []string{"halo", "now"} {
		fmt.Fprintf(&w, `<line class="%s" x1="%.2f%%" y1="0" x2="%.2[2]f%%" y2="100%%"/>`, class, s.at(0))
	}
	if x := s.seconds(b.NextRotation); b.rotates(r) && x >= s.from && x <= s.until {
		fmt.Fprintf(&w, `<svg x="%.2f%%"><path class="next" d="M0 %dl9 9l-9 9l-9 -9z"><title>%s</title></path></svg>`,
			s.at(x), middle-9, nextText(s, b))
	}
	return w.String()
}

// brief is the width of a part of a life, in percent, below which the part gets
// a width in pixels: it would be invisible on a phone, or behind now.
const brief = 1

// bar draws a stretch. An arrow beyond the end of the drawing shows that the
// life continues.
func (s span) bar(w *strings.Builder, st stretch) {
	from, until := math.Inf(-1), math.Inf(1)
	if !st.from.IsZero() {
		from = s.seconds(st.from)
	}
	if !st.until.IsZero() {
		until = s.seconds(st.until)
	}
	y, h := barTop, barHeight
	if st.fill == gone {
		y, h = y+3, h-6
	}
	a, b := s.at(from), s.at(until)
	fmt.Fprintf(w, `<g class="%s">`, laneClass[st.fill])
	mark := func(x, shift float64) { // in pixels from x, where the halo of now does not cover it
		fmt.Fprintf(w, `<svg x="%.2f%%"><rect class="brief" x="%.1f" y="%d" width="3" height="%d"/></svg>`, x, shift, y, h)
	}
	now := s.at(0)
	if b-a >= brief {
		fmt.Fprintf(w, `<rect x="%.2f%%" y="%d" width="%.2f%%" height="%d"/>`, a, y, b-a, h)
	}
	if until <= 0 && b-a < brief {
		if now-b < brief {
			mark(now, -6)
		} else {
			mark(max(b, brief), -3)
		}
	}
	if from >= 0 && b-a < brief {
		if a-now < brief {
			mark(now, 3)
		} else {
			mark(min(a, 100-brief), 0)
		}
	}
	if from < 0 && until > 0 { // it has a part on each side of now
		if now-a < brief {
			mark(now, -6)
		}
		if b-now < brief {
			mark(now, 3)
		}
	}
	outlined := (st.fill == accepted || st.fill == announced) && b-a >= brief
	edge := func(x1, y1, x2, y2 any) {
		fmt.Fprintf(w, `<line x1="%.2f%%" y1="%d" x2="%.2f%%" y2="%d"/>`, x1, y1, x2, y2)
	}
	if outlined {
		edge(a, y, b, y)
		edge(a, y+h, b, y+h)
	}
	for _, end := range []struct {
		x      float64
		beyond bool
		sign   int
	}{{a, from < s.from, -1}, {b, until > s.until, 1}} {
		switch {
		case end.beyond:
			fmt.Fprintf(w, `<svg x="%.2f%%"><path d="M0 %dl%d %dl%d %[4]d"/></svg>`, end.x, y, end.sign*h/2, h/2, -end.sign*h/2)
		case outlined:
			edge(end.x, y, end.x, y+h)
		}
	}
	w.WriteString("</g>")
}

// grid draws the lines of the ticks through lanes. wide is the width of the
// drawing, in letters.
func (s span) grid(wide float64) string {
	var w strings.Builder
	for _, k := range s.ticks(wide) {
		fmt.Fprintf(&w, `<line class="grid" x1="%.2f%%" y1="0" x2="%.2[1]f%%" y2="100%%"/>`, s.at(k.at))
	}
	return w.String()
}

// drawAxis draws the ticks and their labels, and below them now: the content of an
// svg element that is axisHeight high. The line of now begins below the axis, so
// that it crosses no text.
func (s span) drawAxis(wide float64, now string) string {
	const base = axisHeight - 2
	type words struct {
		at, end float64 // in letters
		text    string
	}
	var labels, above strings.Builder
	var larger []words
	free := 0.0
	for _, k := range s.ticks(wide) {
		x := s.at(k.at)
		fmt.Fprintf(&labels, `<line class="base" x1="%.2f%%" y1="%d" x2="%.2[1]f%%" y2="%[3]d"/>`, x, base-4, base)
		at := x / 100 * wide
		if end := at + float64(len(k.label)); at >= free && end <= wide+1 {
			fmt.Fprintf(&labels, `<text x="%.2f%%" y="28">%s</text>`, x, k.label)
			free = end + 1
		}
		if k.above == "" {
			continue
		}
		if n := len(larger); n > 0 && larger[n-1].end > at {
			larger = larger[:n-1] // the first label names only the rest of its day, month or year
		}
		larger = append(larger, words{at, at + float64(len(k.above)+2), k.above})
	}
	for i, k := range larger {
		switch {
		case k.end <= wide+2:
			fmt.Fprintf(&above, `<text class="above" x="%.2f%%" y="12">%s</text>`, k.at/wide*100, k.text)
		case i == 0:
			fmt.Fprintf(&above, `<text class="above" text-anchor="end" x="100%%" y="12">%s</text>`, k.text)
		}
	}
	x, anchor := s.at(0), "middle"
	switch half := float64(len(now)) / 2 / wide * 100; {
	case x < half:
		anchor = "start"
	case x > 100-half:
		anchor = "end"
	}
	return above.String() + labels.String() +
		fmt.Sprintf(`<line class="base" x1="0" y1="%d" x2="100%%" y2="%[1]d"/>`, base) +
		fmt.Sprintf(`<text class="nowtext" text-anchor="%s" x="%.2f%%" y="45">%s</text>`, anchor, x, html.EscapeString(now)) +
		fmt.Sprintf(`<svg x="%.2f%%"><path class="pointer" d="M-5 %dh10l-5 8z"/></svg>`, x, base-8)
}

// sign draws a mark of the legend: the content of an svg element that is 28
// pixels wide and laneHeight high.
func sign(f fill) string {
	y, h := barTop, barHeight
	if f == gone {
		y, h = y+3, h-6
	}
	s := fmt.Sprintf(`<g class="%s"><rect x="0" y="%d" width="28" height="%d"/>`, laneClass[f], y, h)
	if f == accepted || f == announced {
		s += fmt.Sprintf(`<line x1="0" y1="%d" x2="28" y2="%[1]d"/><line x1="0" y1="%d" x2="28" y2="%[2]d"/>`, y, y+h) +
			fmt.Sprintf(`<line x1="0" y1="%d" x2="0" y2="%d"/><line x1="28" y1="%[1]d" x2="28" y2="%[2]d"/>`, y, y+h)
	}
	return s + "</g>"
}

// The other marks of the legend.
const (
	nextSign  = `<path class="next" d="M14 3l9 9l-9 9l-9 -9z"/>`
	neverSign = `<path class="never" d="M10 8l8 8m-8 0l8 -8"/>`
	onSign    = `<path class="current" d="M4 5h13l7 7l-7 7h-13z"/>`
)

func (s span) instant(t time.Time) string {
	return printable(t.In(s.loc).Format("2006-01-02 15:04:05 MST"))
}

// life describes a bar, for the tooltip.
func (s span) life(r row) string {
	if len(r.stretches) == 0 {
		return r.id + ": " + r.word + ", never used"
	}
	parts := []string{}
	for _, st := range r.stretches {
		from, until := "with no start", "without end"
		if !st.from.IsZero() {
			from = "from " + s.instant(st.from)
		}
		if !st.until.IsZero() {
			until = "until " + s.instant(st.until)
		}
		word := meaning[st.fill]
		if st.fill == gone {
			word = r.word
		}
		parts = append(parts, word+" "+from+" "+until)
	}
	return r.id + ": " + strings.Join(parts, "; ")
}
