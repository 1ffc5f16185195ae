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

var (
	bars   = regexp.MustCompile(`<path class="(?:gone|accepted|current|announced)" d="M([-\d.]+) [-\d.]+H([-\d.]+)(l([-\d.]+))?`)
	axisOf = regexp.MustCompile(`<line class="axis" x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"`)
)

func TestSVGWhateverTheHistory(t *testing.T) {
	number := func(s string) float64 {
		if s == "" {
			return 0
		}
		x, err := strconv.ParseFloat(s, 64)
		require.NoError(t, err)
		return x
	}
	r := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		secrets := anySecrets(r, noon)
		got := SVG(secrets, noon, nil)
		count := elements(t, got)
		require.Equal(t, 1, count["svg"])
		require.Equal(t, 1, count["desc"])
		require.NotContains(t, got, "NaN")
		require.NotContains(t, got, "%!")
		axis := axisOf.FindStringSubmatch(got)
		require.NotNil(t, axis)
		left, right := number(axis[1]), number(axis[2])
		for _, b := range bars.FindAllStringSubmatch(got, -1) {
			require.GreaterOrEqual(t, number(b[1]), left-0.1, b[0])
			require.LessOrEqual(t, number(b[2])+number(b[4]), right+0.1, b[0])
			require.Less(t, number(b[1])-0.1, number(b[2])+number(b[4]), b[0])
		}
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
