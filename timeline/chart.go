package timeline

import (
	"fmt"
	"time"
)

// Chart is the drawing of [SVG] in pieces, for an HTML page that arranges them.
// Each piece is an svg element. It has no width of its own, but fills the place
// that the page gives it. The page includes [Style]. The other fields are plain
// text: the page escapes them, as html/template does.
type Chart struct {
	// Defs has no picture. It defines parts that the other pieces use, so it
	// precedes them.
	Defs string
	// Wide is the axis with labels for 80 letters, Narrow for 44. The page shows
	// one of them, and the elements of that class within the lanes.
	Wide, Narrow string
	Lives        []Lives // in the order of the secrets
	Signs        []Sign
}

// Lives are the versions of one secret.
type Lives struct {
	Lanes []Lane
	Note  string // describes the versions without a lane. Empty: there are none
	Next  string // the next rotation. Empty: none is known
}

// Lane is one version.
type Lane struct {
	ID, Label string
	// State is current, accepted, announced or gone.
	State   string
	Drawing string
}

// Sign is an entry of the legend.
type Sign struct{ Drawing, Meaning string }

// The widths of the axis in letters.
const wideAxis, narrowAxis = 80, 44

// gridOfPage refers to a part of Chart.Defs.
const gridOfPage = `<use href="#timeline-grid"/>`

// NewChart draws the secrets over one axis, whose scale suits at least half of
// them. The lanes of the others show arrows and marks of three pixels. A nil loc
// is UTC.
func NewChart(secrets []Secret, now time.Time, loc *time.Location) Chart {
	blocks, over := prepare(secrets, now, loc, usual)
	axis := func(class string, wide float64) string {
		return fmt.Sprintf(`<svg class="axis %s" width="100%%" height="%d" aria-hidden="true">%s</svg>`, class, axisHeight,
			over.drawAxis(wide, "now"))
	}
	c := Chart{
		Defs: fmt.Sprintf(`<svg class="defs" width="0" height="0" aria-hidden="true"><defs>%s<g id="timeline-grid">`+
			`<g class="wide">%s</g><g class="narrow">%s</g></g></defs></svg>`, hatch, over.grid(wideAxis),
			over.grid(narrowAxis)),
		Wide:   axis("wide", wideAxis),
		Narrow: axis("narrow", narrowAxis),
	}
	for _, b := range blocks {
		lives := Lives{Note: b.note(), Next: nextText(over, b)}
		for _, r := range b.rows {
			lives.Lanes = append(lives.Lanes, Lane{r.name, label(over, r, false), laneClass[r.fill],
				fmt.Sprintf(`<svg class="lane" width="100%%" height="%d" role="img">%s</svg>`, laneHeight,
					over.lane(b, r, gridOfPage))})
		}
		c.Lives = append(c.Lives, lives)
	}
	for _, s := range signs() {
		s.Drawing = fmt.Sprintf(`<svg class="sign" width="28" height="%d" aria-hidden="true">%s</svg>`, laneHeight, s.Drawing)
		c.Signs = append(c.Signs, s)
	}
	return c
}

// signs returns the legend.
func signs() []Sign {
	var list []Sign
	for _, f := range []fill{current, accepted, announced, gone} {
		list = append(list, Sign{sign(f), meaning[f]})
	}
	return append(list, Sign{nextSign, "next rotation"}, Sign{neverSign, "never used"}, Sign{onSign, "goes on"})
}
