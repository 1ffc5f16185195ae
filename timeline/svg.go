package timeline

import (
	"fmt"
	"html"
	"strings"
	"time"
)

// The measures of a picture, in pixels.
const (
	svgWidth = 960
	svgEdge  = 16   // between the border and the drawing
	svgTop   = 76.0 // top of the first secret
)

const svgStyle = `
svg{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,"DejaVu Sans",sans-serif}
.paper{fill:#fff}text{fill:#1f2328}.dim{fill:#59636e}.address{font-weight:600;font-size:13px}
.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}.strong{font-weight:700}
.nexttext{fill:#7d4e00}
@media (prefers-color-scheme:dark){.paper{fill:#0d1117}text{fill:#e6edf3}.dim{fill:#9198a1}.nexttext{fill:#e3b341}}
`

// picture is an SVG in progress.
type picture struct {
	span
	left, right float64 // of the bars
	y           float64
	out         strings.Builder
}

// SVG draws the secrets below one another, over one axis, as a self-contained
// picture: no script, and no font or style from elsewhere. A nil loc is UTC.
func SVG(secrets []Secret, now time.Time, loc *time.Location) string {
	blocks, over := prepare(secrets, now, loc, shortest)
	p := &picture{span: over, y: svgTop}
	ids, labels := 2, 10
	for _, b := range blocks {
		for _, r := range b.rows {
			ids, labels = max(ids, len(r.id)), max(labels, len(label(p.span, r, false)))
		}
	}
	p.left = svgEdge + 18 + letter*float64(min(ids, 24))
	p.right = svgWidth - svgEdge - 16 - letter*float64(min(labels, 36))
	p.nest("axis", 8, axisHeight, p.drawAxis(p.wide(), "now "+p.instant(p.span.now)))
	for _, b := range blocks {
		p.block(b)
	}
	if len(blocks) == 0 {
		p.text(svgEdge, p.y+16, "dim", "no secrets")
		p.y += 32
	}
	p.legend()

	var doc strings.Builder
	fmt.Fprintf(&doc,
		`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %[1]d %.0[2]f" role="img" `+
			`aria-labelledby="timeline-title timeline-desc">`+"\n", svgWidth, p.y)
	fmt.Fprintf(&doc, "<title id=\"timeline-title\">The lives of secrets' versions, %s</title>\n", p.instant(p.span.now))
	fmt.Fprintf(&doc, "<desc id=\"timeline-desc\">%s</desc>\n", html.EscapeString(p.inWords(blocks)))
	fmt.Fprintf(&doc, "<style>%s%s</style>\n<defs>%s</defs>\n", svgStyle, Style, hatch)
	fmt.Fprintf(&doc, `<rect class="paper" width="%d" height="%.0f"/>`+"\n", svgWidth, p.y)
	doc.WriteString(p.out.String())
	doc.WriteString("</svg>\n")
	return doc.String()
}

// wide returns the width of the bars in letters.
func (p *picture) wide() float64 { return (p.right - p.left) / letter }

// nest draws a part that is as wide as the bars.
func (p *picture) nest(class string, y, height float64, content string) {
	fmt.Fprintf(&p.out, `<svg class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f">%s</svg>`+"\n", class, p.left, y,
		p.right-p.left, height, content)
}

func (p *picture) text(x, y float64, class, s string) {
	fmt.Fprintf(&p.out, `<text class="%s" x="%.1f" y="%.1f">%s</text>`+"\n", class, x, y, html.EscapeString(s))
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
		fmt.Fprintf(&p.out, `<text class="nexttext" text-anchor="end" x="%d" y="%.1f">%s</text>`+"\n", svgWidth-svgEdge,
			p.y+16, next)
	}
	p.y += 24
	if note := b.note(); note != "" {
		p.text(svgEdge+8, p.y+13, "dim", note)
		p.y += 20
	}
	if len(b.rows) > 0 {
		p.nest("lane", p.y, float64(laneHeight*len(b.rows)), p.grid(p.wide()))
	}
	for _, r := range b.rows {
		p.row(b, r)
	}
	p.y += 14
}

// note describes the versions that have no row.
func (b block) note() string {
	switch {
	case b.hidden > 0:
		return hiddenText(b.hidden)
	case len(b.rows) == 0:
		return "no versions yet"
	}
	return ""
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
	p.text(svgEdge+8, p.y+16, class, id)
	p.nest("lane", p.y, laneHeight, p.lane(b, r, ""))
	text := label(p.span, r, false)
	if len(text) > 36 {
		text = text[:35] + "…"
	}
	p.text(p.right+16, p.y+16, strings.TrimPrefix(class, "id"), text)
	p.y += laneHeight
}

// legend explains the signs.
func (p *picture) legend() {
	fmt.Fprintf(&p.out, `<line class="base" x1="%d" y1="%.1f" x2="%d" y2="%.1[2]f"/>`+"\n", svgEdge, p.y+6,
		svgWidth-svgEdge)
	p.y += 14
	x := float64(svgEdge)
	for _, s := range signs() {
		fmt.Fprintf(&p.out, `<svg x="%.1f" y="%.1f" width="28" height="%d">%s</svg>`+"\n", x, p.y, laneHeight, s.Drawing)
		p.text(x+34, p.y+16, "", s.Meaning)
		x += 34 + 6.8*float64(len(s.Meaning)) + 14
	}
	p.y += laneHeight + 14
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
