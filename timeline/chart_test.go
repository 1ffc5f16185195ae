package timeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rotating returns a secret with an overlap of that length, which began at
// noon.
func rotating(name string, overlap float64) Secret {
	return Secret{Address: name, Current: "v2", Versions: []Version{
		{ID: "v1", From: days(-90), Until: seconds(overlap)}, {ID: "v2", From: noon}}}
}

// TestChartSuitsMostSecrets: one short overlap does not hide the lives of all
// others, and alone it is visible.
func TestChartSuitsMostSecrets(t *testing.T) {
	years := func(secrets ...Secret) bool {
		return strings.Contains(NewChart(secrets, noon, nil).Wide, ">Sep 2026<")
	}
	list := []Secret{rotating("short", 5)}
	require.False(t, years(list...))
	for i := range 9 {
		list = append(list, rotating(fmt.Sprint("long", i), 30*day))
	}
	require.True(t, years(list...))
	require.Contains(t, NewChart(list, noon, nil).Lives[0].Lanes[0].Drawing, `class="brief"`, "it is still drawn")
	require.NotContains(t, SVG(list, noon, nil), ">Sep 2026<", "the picture shows every overlap")
}

// TestChartHasTheWordsOfThePicture: both say the same about each version.
func TestChartHasTheWordsOfThePicture(t *testing.T) {
	for _, p := range pictures {
		chart := NewChart(p.secrets, noon, time.UTC)
		require.Len(t, chart.Lives, len(p.secrets))
		for i, lives := range chart.Lives {
			require.LessOrEqual(t, len(lives.Lanes), len(p.secrets[i].Versions))
			for _, lane := range lives.Lanes {
				require.NotEmpty(t, lane.Label)
				require.Contains(t, []string{"current", "accepted", "announced", "gone"}, lane.State)
				elements(t, strings.Replace(lane.Drawing, gridOfPage, "", 1))
				require.Contains(t, lane.Drawing, "<title>"+lane.ID+": ")
			}
		}
		elements(t, chart.Defs)
		elements(t, chart.Wide)
		elements(t, chart.Narrow)
	}
}
