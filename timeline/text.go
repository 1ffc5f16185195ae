package timeline

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// page is a drawing in progress.
type page struct {
	TextOptions
	glyphs
	span
	idWidth         int
	left, now, end  int // columns: of the first cell of bars, of now, after the last cell
	labelAt, labels int
	short           bool
	out             strings.Builder
}

// Text draws the secrets below one another, over one axis. Every line ends with
// a newline.
func Text(secrets []Secret, now time.Time, o TextOptions) string {
	if len(secrets) == 0 {
		return "no secrets\n"
	}
	if o.Width == 0 {
		o.Width = 80
	}
	o.Width = max(o.Width, 40)
	blocks, over := prepare(secrets, now, o.Location, shortest)
	p := &page{TextOptions: o, glyphs: unicodeGlyphs, span: over}
	if o.ASCII {
		p.glyphs = asciiGlyphs
	}
	p.layOut(blocks)
	p.nowLine()
	p.axisLines(true)
	rows := 0
	for i, b := range blocks {
		if i > 0 {
			p.write(line{})
		}
		p.block(b)
		rows += len(b.rows)
	}
	if rows > 30 {
		p.axisLines(false)
	}
	p.legend(blocks)
	return p.out.String()
}

// layOut divides the width among ids, bars and the labels after them.
func (p *page) layOut(blocks []block) {
	for range 2 {
		p.idWidth, p.labels = 2, 0
		for _, b := range blocks {
			for _, r := range b.rows {
				p.idWidth = min(max(p.idWidth, len(r.id)), 5+p.Width/20)
				p.labels = max(p.labels, len(p.label(r)))
			}
		}
		p.left = 2 + p.idWidth + 1
		p.labelAt = p.Width - p.labels
		p.end = p.labelAt - 1
		if p.short || p.end-p.left >= 34 {
			break
		}
		p.short = true
	}
	if p.end-p.left < 10 { // labels of unexpectedly long words
		p.end = p.left + 10
		p.labelAt = p.end + 1
		p.labels = p.Width - p.labelAt
	}
	cells := float64(p.end - p.left - 1)
	p.now = p.left + min(max(int(cells*-p.from/p.length()+0.5), 1), p.end-p.left-2)
}

// column returns the column of an instant. Now has a column of its own, so that
// past and future never touch.
func (p *page) column(x float64) int {
	if x <= 0 {
		return p.now - int(min(-x/-p.from, 2)*float64(p.now-p.left)+0.999999)
	}
	return p.now + 1 + int(min(x/p.until, 2)*float64(p.end-p.now-1))
}

// drawn reports whether an instant has a column.
func (p *page) drawn(t time.Time) bool {
	return !t.IsZero() && p.column(p.seconds(t)) >= p.left && p.column(p.seconds(t)) < p.end
}

// label returns the state of a version, and until when it has it.
func (p *page) label(r row) string { return label(p.span, r, p.short) }

func label(s span, r row, short bool) string {
	switch {
	case len(r.stretches) == 0 && r.until.IsZero():
		return r.word
	case r.fill == announced && r.until.IsZero():
		return pick(short, "due now", "announced, due now")
	case r.until.IsZero():
		end := pick(r.fill == current, "no end yet", "no end")
		return pick(short, end, r.word+", "+end)
	case short:
		return s.stamp(r.until)
	}
	preposition := " until "
	switch r.fill {
	case gone:
		preposition = " "
	case announced:
		preposition = " for "
	case current:
		if !r.until.After(s.now) {
			preposition = ", expired "
		}
	}
	return r.word + preposition + s.stamp(r.until)
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

func (p *page) write(l line) {
	// Text comes before the now line, which fills only empty columns.
	if len(l.runes) <= p.now || l.runes[p.now] == ' ' {
		if l.free(p.now-1, p.now+2) {
			l.set(p.now, p.glyphs.now, onNow)
		}
	}
	l.writeTo(&p.out, p.Color)
}

// nowLine writes the instant of the now line.
func (p *page) nowLine() {
	var l line
	text := "now " + printable(p.span.now.Format("2006-01-02 15:04:05 MST"))
	if max(p.now, p.Width-p.now-1) < len(text)+1 {
		text = "now " + p.span.now.Format(pick(p.length() >= 14*day, time.DateOnly, time.TimeOnly))
	}
	if at := p.now - len(text) - 1; at >= 0 {
		l.put(at, text, onNow)
	} else {
		l.put(p.now+2, text, onNow)
	}
	l.set(p.now, p.marker, onNow)
	l.writeTo(&p.out, p.Color)
}

// axisLines draws the axis, with its labels above it or below.
func (p *page) axisLines(above bool) {
	var upper, lower, axis line
	for x := p.left; x < p.end; x++ {
		axis.set(x, p.axis, dim)
	}
	lastAbove := -1
	for _, k := range p.ticks(float64(p.end - p.left)) {
		x := p.column(k.at)
		if x < p.left || x >= p.end || x+len(k.label) > p.Width || !lower.free(x-1, x+len(k.label)) {
			continue
		}
		axis.set(x, p.tick, dim)
		lower.put(x, k.label, plain)
		if k.above == "" || x+len(k.above) > p.Width {
			continue
		}
		if lastAbove >= 0 && !upper.free(x-1, x+len(k.above)) {
			upper = line{} // the first label names only the rest of its day, month or year
		}
		upper.put(x, k.above, dim)
		lastAbove = x
	}
	axis.set(p.now, p.cross, onNow)
	lines := []line{upper, lower, axis}
	if !above {
		lines = []line{axis, lower, upper}
	}
	for _, l := range lines {
		p.write(l)
	}
}

// block draws one secret.
func (p *page) block(b block) {
	address := printable(b.Address)
	for len(address) > p.Width {
		var l line
		l.put(0, address[:p.Width], bold)
		l.writeTo(&p.out, p.Color)
		address = "  " + address[p.Width:]
	}
	var head line
	head.put(0, address, bold)
	if next := p.next(b); next != "" {
		if len(address)+2+len(next) > p.Width {
			p.write(head)
			head = line{}
		}
		head.put(p.Width-len(next), next, rota)
	}
	p.write(head)
	if b.hidden > 0 {
		var l line
		l.put(2, hiddenText(b.hidden), dim)
		p.write(l)
	}
	if len(b.rows) == 0 && b.hidden == 0 {
		var l line
		l.put(2, "no versions yet", dim)
		p.write(l)
	}
	for _, r := range b.rows {
		p.row(b, r)
	}
}

func hiddenText(n int) string {
	if n == 1 {
		return "1 older version, gone"
	}
	return fmt.Sprintf("%d older versions, gone", n)
}

// next returns the text for the next rotation.
func (p *page) next(b block) string { return nextText(p.span, b) }

func nextText(s span, b block) string {
	switch {
	case b.NextRotation.IsZero():
		return ""
	case !b.NextRotation.After(s.now):
		return "rotation due since " + s.stamp(b.NextRotation)
	}
	return "next rotation " + s.stamp(b.NextRotation)
}

// row draws one version.
func (p *page) row(b block, r row) {
	var l line
	id := r.id
	if room := p.idWidth - utf8.RuneCountInString(p.cut); len(id) > p.idWidth {
		id = id[:room/2] + p.cut + id[len(id)-(room+1)/2:] // the end distinguishes the ids
	}
	l.put(2, id, pick(r.fill == current, bold, plain))
	p.bars(&l, r.stretches)
	if p.drawn(r.never) {
		l.set(p.column(p.seconds(r.never)), p.never, dim)
	}
	if b.rotates(r) && p.drawn(b.NextRotation) {
		l.set(p.column(p.seconds(b.NextRotation)), p.glyphs.next, rota)
	}
	l.set(p.now, p.glyphs.now, onNow)
	text := p.label(r)
	if len(text) > p.labels {
		text = text[:max(p.labels, 0)]
	}
	l.put(p.labelAt, text, pick(r.fill == gone, dim, plain))
	l.writeTo(&p.out, p.Color)
}

// bars draws a life. It draws the arrows last, so that no short stretch covers
// them.
func (p *page) bars(l *line, life []stretch) {
	var arrows line
	for i, st := range life {
		if !p.shows(st, i == 0) {
			continue
		}
		from, until := math.Inf(-1), math.Inf(1)
		if !st.from.IsZero() {
			from = p.seconds(st.from)
		}
		if !st.until.IsZero() {
			until = p.seconds(st.until)
		}
		p.bar(l, st.fill, max(from, p.span.from), min(until, p.span.until))
		if from < p.span.from {
			arrows.set(p.left, p.before, fillTones[st.fill])
		}
		if until > p.span.until {
			arrows.set(p.end-1, p.beyond, fillTones[st.fill])
		}
	}
	for x, r := range arrows.runes {
		if r != ' ' {
			l.set(x, r, arrows.tones[x])
		}
	}
}

// bar draws a stretch. It has at least one cell on each side of now on which it
// has any time.
func (p *page) bar(l *line, f fill, from, until float64) {
	put := func(a, b int) {
		for x := max(a, p.left); x < min(b, p.end); x++ {
			l.set(x, p.fills[f], fillTones[f])
		}
	}
	if from < 0 {
		a, b := min(p.column(from), p.now-1), p.column(min(until, 0))
		put(a, max(b, a+1))
	}
	if until > 0 {
		a, b := p.now+1, p.column(until)
		if from > 0 {
			a = p.column(min(from, p.span.until))
		}
		a = min(a, p.end-1)
		put(a, max(b, a+1))
	}
}

// legend explains the signs that were drawn.
func (p *page) legend(blocks []block) {
	var used [4]bool
	var next, never bool
	for _, b := range blocks {
		for _, r := range b.rows {
			next = next || b.rotates(r) && p.drawn(b.NextRotation)
			never = never || p.drawn(r.never)
			for _, st := range r.stretches {
				used[st.fill] = true
			}
		}
	}
	p.out.WriteByte('\n')
	var l line
	at := 0
	add := func(sign, text string, t tone) {
		if at > 0 && at+3+utf8.RuneCountInString(sign)+1+len(text) > p.Width {
			l.writeTo(&p.out, p.Color)
			l, at = line{}, 0
		}
		if at > 0 {
			at += 3
		}
		l.put(at, sign, t)
		at += utf8.RuneCountInString(sign) + 1
		l.put(at, text, plain)
		at += len(text)
	}
	for _, f := range []fill{current, accepted, announced, gone} {
		if used[f] {
			add(strings.Repeat(string(p.fills[f]), 2), meaning[f], fillTones[f])
		}
	}
	add(string(p.glyphs.now), "now", onNow)
	if next {
		add(string(p.glyphs.next), "next rotation", rota)
	}
	if never {
		add(string(p.never), "never used", dim)
	}
	add(string(p.before)+" "+string(p.beyond), "goes on", plain)
	l.writeTo(&p.out, p.Color)
}

var meaning = [4]string{gone: "gone", accepted: "overlap, still accepted", current: "current", announced: "announced"}
