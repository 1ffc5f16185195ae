package timeline

import "strings"

// glyphs are the characters of the bars.
type glyphs struct {
	fills                     [4]rune
	now, before, beyond       rune
	next, never               rune
	axis, tick, cross, marker rune
	cut                       string
}

var (
	unicodeGlyphs = glyphs{fills: [4]rune{gone: '─', accepted: '▒', current: '█', announced: '░'}, now: '│', before: '◄',
		beyond: '►',
		next:   '◆', never: '×', axis: '─', tick: '┬', cross: '┼', marker: '▼', cut: "…"}
	asciiGlyphs = glyphs{fills: [4]rune{gone: '-', accepted: '=', current: '#', announced: '+'}, now: '|', before: '<',
		beyond: '>',
		next:   'R', never: 'x', axis: '-', tick: '+', cross: '|', marker: 'v', cut: "..."}
)

// tone is a colour of a terminal, as the parameter of SGR.
type tone string

const (
	plain tone = ""
	bold  tone = "1"
	dim   tone = "2"
	onNow tone = "1;31"
	rota  tone = "1;35"
)

var fillTones = [4]tone{gone: dim, accepted: "33", current: "32", announced: "36"}

// line is a line of text, with one cell for each column.
type line struct {
	runes []rune
	tones []tone
}

func (l *line) put(x int, s string, t tone) {
	for _, r := range s {
		l.set(x, r, t)
		x++
	}
}

func (l *line) set(x int, r rune, t tone) {
	for len(l.runes) <= x {
		l.runes, l.tones = append(l.runes, ' '), append(l.tones, plain)
	}
	l.runes[x], l.tones[x] = r, t
}

// free reports whether the columns from a up to b are empty.
func (l *line) free(a, b int) bool {
	for x := max(a, 0); x < min(b, len(l.runes)); x++ {
		if l.runes[x] != ' ' {
			return false
		}
	}
	return true
}

func (l *line) writeTo(b *strings.Builder, color bool) {
	last, n := plain, len(l.runes)
	for n > 0 && l.runes[n-1] == ' ' {
		n--
	}
	for x, r := range l.runes[:n] {
		if t := l.tones[x]; color && t != last && (r != ' ' || last != plain) {
			if last != plain {
				b.WriteString("\x1b[0m")
			}
			if t != plain {
				b.WriteString("\x1b[" + string(t) + "m")
			}
			last = t
		}
		b.WriteRune(r)
	}
	if last != plain {
		b.WriteString("\x1b[0m")
	}
	b.WriteByte('\n')
}
