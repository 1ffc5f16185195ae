package timeline

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"
)

// The measures of a picture, in pixels.
const (
	svgWidth  = 960
	svgEdge   = 16   // between the border and the drawing
	svgLetter = 7.4  // greatest average width of a letter of 12 px
	svgRow    = 24   // distance of two versions
	svgBar    = 14   // height of a bar
	svgLeast  = 3    // least width of a stretch
	svgTop    = 76.0 // top of the first secret
)

// Every colour is defined twice, for light and for dark. Stretches also differ
// in their pattern, for people who see no colours.
const svgStyle = `
svg{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,"DejaVu Sans",sans-serif}
.paper{fill:#fff}text{fill:#1f2328}.dim{fill:#59636e}.address{font-weight:600;font-size:13px}
.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}.strong{font-weight:700}
text{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}
.grid{stroke:#d1d9e0;stroke-width:1}.axis{stroke:#818b98;stroke-width:1}
.gone{fill:#afb8c1}.current{fill:#0969da}.accepted{fill:url(#timeline-hatch);stroke:#0969da;stroke-width:1}
.announced{fill:#ddf4ff;stroke:#0969da;stroke-width:1.5;stroke-dasharray:4 3}.hatch{stroke:#0969da}.hatched{fill:#ddf4ff}
.now{stroke:#cf222e;stroke-width:2}.nowtext{fill:#cf222e;font-weight:700}.next{fill:#bf8700;stroke:#fff;stroke-width:1.5}.nexttext{fill:#7d4e00}
.never{stroke:#59636e;stroke-width:2}
@media (prefers-color-scheme:dark){
.paper{fill:#0d1117}text{fill:#e6edf3;stroke:#0d1117}.dim{fill:#9198a1}.grid{stroke:#2a313c}.axis{stroke:#656c76}
.gone{fill:#4c5561}.current{fill:#4493f8}.accepted{stroke:#4493f8}.announced{fill:#121d2f;stroke:#4493f8}.hatch{stroke:#4493f8}.hatched{fill:#121d2f}
.now{stroke:#ff7b72}.nowtext{fill:#ff7b72}.next{fill:#e3b341;stroke:#0d1117}.nexttext{fill:#e3b341}.never{stroke:#9198a1}
}
`

var svgClass = [4]string{gone: "gone", accepted: "accepted", current: "current", announced: "announced"}

// picture is an SVG in progress.
type picture struct {
	span
	left, right float64 // of the bars
	y           float64

	// Layers from bottom to top; the now line is between out and words.
	grid, out, words strings.Builder
}

// SVG draws the secrets below one another, over one axis, as a self-contained
// picture: no script, and no font or style from elsewhere. A nil loc is UTC.
func SVG(secrets []Secret, now time.Time, loc *time.Location) string {
	blocks, over := prepare(secrets, now, loc)
	p := &picture{span: over, y: svgTop}
	ids, labels := 2, 10
	for _, b := range blocks {
		for _, r := range b.rows {
			ids, labels = max(ids, len(r.id)), max(labels, len(label(p.span, r, false)))
		}
	}
	p.left = svgEdge + 14 + svgLetter*float64(min(ids, 24))
	p.right = svgWidth - svgEdge - 12 - svgLetter*float64(min(labels, 36))
	for _, b := range blocks {
		p.block(b)
	}
	if len(blocks) == 0 {
		p.text(svgEdge, p.y+16, "dim", "no secrets")
		p.y += 32
	}
	bottom := p.y
	p.axis(bottom)
	p.legend(bottom + 34)

	height := bottom + 56
	var doc strings.Builder
	fmt.Fprintf(&doc,
		`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %[1]d %.0[2]f" role="img" `+
			`aria-labelledby="timeline-title timeline-desc">`+"\n", svgWidth, height)
	fmt.Fprintf(&doc, "<title id=\"timeline-title\">The lives of secrets' versions, %s</title>\n", p.instant(p.span.now))
	fmt.Fprintf(&doc, "<desc id=\"timeline-desc\">%s</desc>\n", html.EscapeString(p.inWords(blocks)))
	fmt.Fprintf(&doc, "<style>%s</style>\n", svgStyle)
	doc.WriteString(`<defs><pattern id="timeline-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
		`<rect class="hatched" width="6" height="6"/><line class="hatch" x1="0" y1="0" x2="0" y2="6" stroke-width="3"/></pattern></defs>` + "\n")
	fmt.Fprintf(&doc, `<rect class="paper" width="%d" height="%.0f"/>`+"\n", svgWidth, height)
	doc.WriteString(p.grid.String())
	doc.WriteString(p.out.String())
	doc.WriteString(p.words.String())
	doc.WriteString("</svg>\n")
	return doc.String()
}

// x returns the position of an instant.
func (p *picture) x(seconds float64) float64 {
	return p.left + (min(max(seconds, p.span.from), p.span.until)-p.span.from)/p.length()*(p.right-p.left)
}

func (p *picture) text(x, y float64, class, s string) {
	fmt.Fprintf(&p.words, `<text class="%s" x="%.1f" y="%.1f">%s</text>`+"\n", class, x, y, html.EscapeString(s))
}

// axis draws the axis above the bars, and the lines that go down from it.
func (p *picture) axis(bottom float64) {
	const baseline = svgTop - 8
	type words struct {
		x, end float64
		text   string
	}
	var above []words
	for _, k := range p.ticks((p.right - p.left) / svgLetter) {
		x := p.x(k.at)
		if x > p.right-10 {
			continue
		}
		fmt.Fprintf(&p.grid, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1[1]f" y2="%.1[3]f"/>`+"\n", x, baseline, bottom)
		p.text(x, baseline-6, "dim", k.label)
		if k.above == "" {
			continue
		}
		if n := len(above); n > 0 && above[n-1].end > x {
			above = above[:n-1] // the first label names only the rest of its day, month or year
		}
		above = append(above, words{x, x + svgLetter*float64(len(k.above)+1), k.above})
	}
	for _, w := range above {
		p.text(w.x, baseline-22, "dim strong", w.text)
	}
	fmt.Fprintf(&p.grid, `<line class="axis" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f"/>`+"\n", p.left, baseline, p.right)
	x := p.x(0)
	fmt.Fprintf(&p.out, `<line class="now" x1="%.1f" y1="24" x2="%.1[1]f" y2="%.1f"/>`+"\n", x, bottom)
	text := "now " + p.instant(p.span.now)
	half := svgLetter * float64(len(text)) / 2
	fmt.Fprintf(&p.words, `<text class="nowtext" text-anchor="middle" x="%.1f" y="18">%s</text>`+"\n",
		min(max(x, svgEdge+half), svgWidth-svgEdge-half), html.EscapeString(text))
}

// block draws one secret.
func (p *picture) block(b block) {
	const most = (svgWidth - 2*svgEdge) / 9 // letters of an address on a line
	address, next := printable(b.Address), nextText(p.span, b)
	for len(address) > most {
		p.text(svgEdge, p.y+16, "id address", address[:most])
		address = "  " + address[most:]
		p.y += 18
	}
	p.text(svgEdge, p.y+16, "id address", address)
	if next != "" {
		if len(address)+len(next) > most {
			p.y += 18
		}
		fmt.Fprintf(&p.words, `<text class="nexttext" text-anchor="end" x="%d" y="%.1f">%s</text>`+"\n", svgWidth-svgEdge,
			p.y+16, next)
	}
	p.y += 24
	note := ""
	switch {
	case b.hidden > 0:
		note = hiddenText(b.hidden)
	case len(b.rows) == 0:
		note = "no versions yet"
	}
	if note != "" {
		p.text(svgEdge+8, p.y+13, "dim", note)
		p.y += 20
	}
	for _, r := range b.rows {
		p.row(b, r)
	}
	p.y += 14
}

// row draws one version.
func (p *picture) row(b block, r row) {
	id := r.id
	if len(id) > 24 {
		id = id[:23] + "…"
	}
	class := "id"
	switch r.fill {
	case current:
		class = "id strong"
	case gone:
		class = "id dim"
	}
	p.text(svgEdge+8, p.y+14, class, id)
	fmt.Fprintf(&p.out, "<g><title>%s</title>\n", html.EscapeString(p.life(r)))
	for i, st := range r.stretches {
		if p.shows(st, i == 0) {
			p.bar(st)
		}
	}
	middle := p.y + 3 + svgBar/2
	if s := p.seconds(r.never); !r.never.IsZero() && s >= p.span.from && s <= p.span.until {
		x := p.x(s)
		fmt.Fprintf(&p.out, `<path class="never" d="M%.1f %.1fl8 8m-8 0l8 -8"/>`+"\n", x-4, middle-4)
	}
	p.out.WriteString("</g>\n")
	if s := p.seconds(b.NextRotation); b.rotates(r) && s >= p.span.from && s <= p.span.until {
		fmt.Fprintf(&p.out, `<path class="next" d="M%.1f %.1fl9 9l-9 9l-9 -9z"><title>%s</title></path>`+"\n", p.x(s),
			middle-9, nextText(p.span, b))
	}
	text := label(p.span, r, false)
	if len(text) > 36 {
		text = text[:35] + "…"
	}
	p.text(p.right+12, p.y+14, strings.TrimPrefix(class, "id"), text)
	p.y += svgRow
}

// bar draws a stretch; an arrow shows that it continues.
func (p *picture) bar(st stretch) {
	from, until := math.Inf(-1), math.Inf(1)
	if !st.from.IsZero() {
		from = p.seconds(st.from)
	}
	if !st.until.IsZero() {
		until = p.seconds(st.until)
	}
	a, b := p.x(from), p.x(until)
	if b-a < svgLeast { // on its side of now
		switch {
		case from >= 0:
			b = min(a+svgLeast, p.right)
			a = b - svgLeast
		case until <= 0:
			a = max(b-svgLeast, p.left)
			b = a + svgLeast
		default:
			a, b = a-svgLeast/2, b+svgLeast/2
		}
	}
	y, h := p.y+3, float64(svgBar)
	if st.fill == gone {
		y, h = y+3, h-6
	}
	d := fmt.Sprintf("M%.1f %.1f", a, y)
	head := min(h/2, (b-a)/2)
	if until > p.span.until {
		d += fmt.Sprintf("H%.1fl%.1f %.1fl%.1f %.1f", b-head, head, h/2, -head, h/2)
	} else {
		d += fmt.Sprintf("H%.1fv%.1f", b, h)
	}
	if from < p.span.from {
		d = strings.Replace(d, fmt.Sprintf("M%.1f", a), fmt.Sprintf("M%.1f", a+head), 1)
		d += fmt.Sprintf("H%.1fl%.1f %.1f", a+head, -head, -h/2)
	} else {
		d += fmt.Sprintf("H%.1f", a)
	}
	fmt.Fprintf(&p.out, `<path class="%s" d="%sz"/>`+"\n", svgClass[st.fill], d)
}

// legend explains the signs.
func (p *picture) legend(y float64) {
	x := float64(svgEdge)
	y -= 14
	fmt.Fprintf(&p.grid, `<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1[2]f"/>`+"\n", svgEdge, y-8,
		svgWidth-svgEdge)
	p.y = y
	for _, f := range []fill{current, accepted, announced, gone} {
		top, h := y+3, svgBar
		if f == gone {
			top, h = y+6, svgBar-6
		}
		fmt.Fprintf(&p.out, `<rect class="%s" x="%.1f" y="%.1f" width="28" height="%d"/>`+"\n", svgClass[f], x, top, h)
		p.text(x+36, y+14, "", meaning[f])
		x += 36 + 6.2*float64(len(meaning[f])) + 24
	}
	middle := y + 3 + svgBar/2
	fmt.Fprintf(&p.out, `<path class="next" d="M%.1f %.1fl9 9l-9 9l-9 -9z"/>`+"\n", x+9, middle-9)
	p.text(x+24, y+14, "", "next rotation")
	x += 24 + 6.2*13 + 24
	fmt.Fprintf(&p.out, `<path class="never" d="M%.1f %.1fl8 8m-8 0l8 -8"/>`+"\n", x, middle-4)
	p.text(x+16, y+14, "", "never used")
	x += 16 + 6.2*10 + 24
	fmt.Fprintf(&p.out, `<path class="current" d="M%.1f %.1fh12l7 7l-7 7h-12z"/>`+"\n", x, y+3)
	p.text(x+27, y+14, "", "goes on")
}

func (p *picture) instant(t time.Time) string {
	return printable(t.In(p.loc).Format("2006-01-02 15:04:05 MST"))
}

// life describes a bar, for the tooltip.
func (p *picture) life(r row) string {
	if len(r.stretches) == 0 {
		return r.id + ": " + r.word + ", never used"
	}
	parts := []string{}
	for _, st := range r.stretches {
		from, until := "with no start", "without end"
		if !st.from.IsZero() {
			from = "from " + p.instant(st.from)
		}
		if !st.until.IsZero() {
			until = "until " + p.instant(st.until)
		}
		word := meaning[st.fill]
		if st.fill == gone {
			word = r.word
		}
		parts = append(parts, word+" "+from+" "+until)
	}
	return r.id + ": " + strings.Join(parts, "; ")
}

// inWords describes the picture, for people who cannot see it.
func (p *picture) inWords(blocks []block) string {
	var list []string
	for _, b := range blocks {
		var rows []string
		for _, r := range b.rows {
			rows = append(rows, r.id+" "+label(p.span, r, false))
		}
		if next := nextText(p.span, b); next != "" {
			rows = append(rows, next)
		}
		if len(rows) == 0 {
			rows = []string{"no versions yet"}
		}
		list = append(list, printable(b.Address)+": "+strings.Join(rows, "; ")+".")
	}
	return strings.Join(list, "\n")
}
