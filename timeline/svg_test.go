package timeline

import (
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// elements counts the elements of a picture by name. It fails the test if the
// picture is not well-formed.
func elements(t *testing.T, svg string) map[string]int {
	t.Helper()
	count := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return count
		}
		require.NoError(t, err, svg)
		if e, ok := tok.(xml.StartElement); ok {
			count[e.Name.Local]++
			for _, a := range e.Attr {
				require.NotRegexp(t, `^(on|href)`, a.Name.Local)
			}
		}
	}
}

// outside matches a position that is not within the width of its part.
var outside = regexp.MustCompile(`[ "](-[\d.]+|1[\d]{2,}[\d.]*)%`)

func TestSVGWhateverTheHistory(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		secrets := anySecrets(r, noon)
		got := SVG(secrets, noon, nil)
		count := elements(t, got)
		require.Equal(t, 1, count["desc"])
		require.Equal(t, 1, count["style"])
		require.NotContains(t, got, "NaN")
		require.NotContains(t, got, "%!")
		for _, at := range outside.FindAllStringSubmatch(got, -1) {
			require.True(t, strings.TrimRight(at[1], "0.") == "1", at[1])
		}
	}
}

var (
	texts = regexp.MustCompile(`<text[^>]* y="([\d.]+)"`)
	parts = regexp.MustCompile(`<svg class="(axis|lane)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)">(.*)</svg>\n`)
)

// TestNowLineCrossesNoText: the line is in lanes alone, which have no text, and
// no text of the picture is over a lane.
func TestNowLineCrossesNoText(t *testing.T) {
	number := func(s string) float64 {
		x, err := strconv.ParseFloat(s, 64)
		require.NoError(t, err)
		return x
	}
	attribute := func(element, name string) string {
		m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(element)
		if m == nil {
			return ""
		}
		return m[1]
	}
	r := rand.New(rand.NewPCG(9, 10))
	for range 60 {
		got := SVG(anySecrets(r, noon), noon, nil)
		outer := parts.ReplaceAllString(got, "")
		require.NotContains(t, outer, `class="now"`)
		lanes := 0
		for _, part := range parts.FindAllStringSubmatch(got, -1) {
			if part[1] == "axis" {
				require.NotContains(t, part[6], `class="now"`)
				continue
			}
			require.NotContains(t, part[6], "<text")
			lanes += strings.Count(part[6], `class="now"`)
			left, top, right, bottom := number(part[2]), number(part[3]), number(part[2])+number(part[4]), number(part[3])+
				number(part[5])
			for _, text := range texts.FindAllString(outer, -1) {
				x, y := number(attribute(text, "x")), number(attribute(text, "y"))
				require.False(t, y > top && y-10 < bottom && x < right && attribute(text, "text-anchor") == "" && x >= left, text)
				require.False(t, y > top && y-10 < bottom && attribute(text, "text-anchor") == "end", text)
			}
		}
		require.Equal(t, strings.Count(got, `class="now"`), lanes)
	}
}

// TestShortPartsAreSeenBesideNow: a part of a life that is too short for the
// scale has three pixels beside the line of now, or where it belongs.
func TestShortPartsAreSeenBesideNow(t *testing.T) {
	const before, after = `<rect class="brief" x="-6.0"`, `<rect class="brief" x="3.0"`
	for _, c := range []struct {
		name        string
		from, until time.Time
		want        []string
	}{
		{"ends soon", days(-90), seconds(3600), []string{after}},
		{"began just now", seconds(-3600), time.Time{}, []string{before}},
		{"both", seconds(-3600), seconds(3600), []string{before, after}},
		{"begins soon, and is short", seconds(60), seconds(3600), []string{after}},
		{"ended just now, and was short", seconds(-3600), seconds(-60), []string{before}},
		{"neither", days(-90), days(90), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := span{now: noon, loc: time.UTC, from: -400 * day, until: 400 * day}
			got := s.lane(block{}, row{id: "v1", stretches: []stretch{{c.from, c.until, current}}}, "")
			require.Equal(t, len(c.want), strings.Count(got, "brief"), got)
			for _, want := range c.want {
				require.Contains(t, got, want)
			}
		})
	}
}

func TestSVGEscapes(t *testing.T) {
	got := SVG([]Secret{{Address: `</text><script>alert("1")</script>&`, Current: "<v1>", Versions: []Version{
		{ID: "<v1>"}, {ID: "]]>\x00\x1b", Gone: "<b>"}}}}, noon, nil)
	count := elements(t, got)
	require.Zero(t, count["script"])
	require.Zero(t, count["b"])
	require.Contains(t, got, "&lt;script&gt;")
}

func TestSVGTellsInWords(t *testing.T) {
	got := SVG(pictures[0].secrets, noon, nil)
	require.Contains(t, got, "v4 accepted until 2026-12-14; v5 current, no end yet; v6 announced for 2026-11-25; next "+
		"rotation 2027-02-21.")
	require.Contains(t, got, "<title>v4: current from 2026-08-26 10:50:14 UTC until 2026-11-16 10:50:14 UTC; "+
		"overlap, still accepted from 2026-11-16 10:50:14 UTC until 2026-12-14 10:50:14 UTC</title>")
	require.Contains(t, SVG(nil, noon, nil), "no secrets")
}

func BenchmarkHundredSecrets(b *testing.B) {
	var secrets []Secret
	for i := range 100 {
		s := Secret{Address: "$SECRET.n.s" + strconv.Itoa(i), Current: "v50", NextRotation: days(30)}
		for n := 1; n <= 50; n++ {
			s.Versions = append(s.Versions, Version{ID: "v" + strconv.Itoa(n), From: days(float64(-30 * (51 - n)))})
		}
		secrets = append(secrets, s)
	}
	b.Run("text", func(b *testing.B) {
		for b.Loop() {
			Text(secrets, noon, TextOptions{})
		}
	})
	b.Run("svg", func(b *testing.B) {
		for b.Loop() {
			SVG(secrets, noon, nil)
		}
	})
}
