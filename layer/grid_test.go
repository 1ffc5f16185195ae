package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The first layout that fits is chosen, without its empty columns. Colours have
// no width.
func TestTableIsTheFirstThatFits(t *testing.T) {
	rows := []string{"\x1b[31mréd\x1b[0m", "blue"}
	columns := map[string]column{
		"name":  newColumn("name", rows, func(s string) string { return s }),
		"long":  newColumn("long", rows, func(string) string { return strings.Repeat("x", 20) }),
		"some":  {title: "some", cells: []string{"-", "1"}},
		"empty": {title: "empty", cells: []string{"-", "-"}},
	}
	layouts := [][]string{{"name", "empty", "long", "some"}, {"name", "some"}, {"empty"}, {"name"}}
	for width, want := range map[int][]string{80: {"name", "long", "some"}, 32: {"name", "long", "some"},
		31: {"name", "some"}, 10: {"name", "some"}, 9: {"name"}, 4: {"name"}, 3: nil} {
		layout, text := fitting(layouts, columns, width)
		require.Equal(t, want, layout, "%d columns", width)
		lines := tableText(text)
		if want == nil {
			continue
		}
		require.Len(t, lines, 3)
		require.Equal(t, want, strings.Fields(lines[0]))
		for _, line := range lines {
			require.LessOrEqual(t, len([]rune(line)), width)
			require.Equal(t, strings.TrimRight(line, " "), line)
		}
	}
}
