package rotate

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
)

// protocolPage returns docs/protocol.md from one heading to the next.
func protocolPage(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/protocol.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## "+heading+"\n")
	require.True(t, found, "docs/protocol.md has no section %q", heading)
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// protocolRows returns the cells of all rows of the tables in a section, headings
// left out.
func protocolRows(section string) (rows [][]string) {
	lines := strings.Split(section, "\n")
	for i, line := range lines {
		heading := i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|---")
		if !strings.HasPrefix(line, "| ") || heading {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// quoted returns the texts in backticks.
func quoted(text string) (list []string) {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}

func TestProtocolNamesTheMutants(t *testing.T) {
	var named, want []string
	for _, row := range protocolRows(protocolPage(t, "The rules, and the failure without each")) {
		require.Len(t, row, 4, row)
		named = append(named, strings.Trim(row[2], "`"))
	}
	for _, m := range mutants() {
		want = append(want, m.name)
	}
	require.ElementsMatch(t, want, named, "docs/protocol.md has one row for each mutant of explore_mutants_test.go")
}

// The exploration begins each broken rule with its number or name.
func TestProtocolNamesTheInvariants(t *testing.T) {
	var want, named []string
	begins := regexp.MustCompile(`(?:fmt\.Errorf|errors\.New)\("([0-9]+|[a-z]+): `)
	files, err := filepath.Glob("explore_*_test.go")
	require.NoError(t, err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range begins.FindAllStringSubmatch(string(source), -1) {
			want = append(want, m[1])
		}
	}
	slices.Sort(want)
	item := regexp.MustCompile(`(?m)^(?:([0-9]+)\. |- \*\*([a-z]+)\*\*: )`)
	for _, m := range item.FindAllStringSubmatch(protocolPage(t, "Invariants"), -1) {
		named = append(named, m[1]+m[2])
	}
	require.Greater(t, len(want), 5)
	require.ElementsMatch(t, slices.Compact(want), named)
}

func TestProtocolNamesTheVerdicts(t *testing.T) {
	source, err := os.ReadFile("decide_reconcile.go")
	require.NoError(t, err)
	var want []string
	constant := regexp.MustCompile(`(?m)^\tverdict\w+ +verdict += "(\w+)"`)
	for _, m := range constant.FindAllStringSubmatch(string(source), -1) {
		want = append(want, m[1])
	}
	var inRows, listed []string
	for _, row := range protocolRows(protocolPage(t, "The state table")) {
		switch len(row) {
		case 3:
			inRows = append(inRows, quoted(row[2])...)
		case 2:
			listed = append(listed, quoted(row[0])...)
		default:
			t.Fatalf("a row with %d cells: %q", len(row), row)
		}
	}
	require.Len(t, want, 11)
	require.ElementsMatch(t, want, listed, "each verdict has one action")
	slices.Sort(inRows)
	require.ElementsMatch(t, want, slices.Compact(inRows))
}

// TestProtocolTable holds that reconcile decides as the state table of
// docs/protocol.md says, row by row.
func TestProtocolTable(t *testing.T) {
	const name = "KEY"
	former := NewState(Settings{}).state()
	st := NewState(Settings{}).state()
	st.Former, st.Reach = [][]byte{former.ByKey}, []extent{{name: {Gen: 100, ID: 100}}}
	note := func(gen int) string { return st.newNote(name, uint64(gen), "v1", "text "+strconv.Itoa(gen)) }
	formerNote := func(gen int) string { return former.newNote(name, uint64(gen), "v1", "text") }
	other := func(gen int) string { return st.newNote(name, uint64(gen), "v1", "another text") }
	foreign := NewState(Settings{}).state().newNote(name, 5, "v1", "text")
	p := policy{now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), window: day, margin: day}

	published := func(stray time.Duration) *record {
		return &record{Current: "v1", Gen: 5, Stray: p.now.Add(stray),
			Published: &published{Gen: 5, Note: note(5), Modified: "1", At: p.now}}
	}
	intended := func(in intent) *record {
		in.Note = note(7)
		r := published(0)
		r.Gen, r.Intent = 7, &in
		return r
	}
	removed := &record{Gen: 5, Removed: true}
	now := intended(intent{Timed: true, At: p.now.Add(-p.fresh())})
	early := intended(intent{Timed: true, At: p.now.Add(p.fresh() + 1)})
	late := intended(intent{Timed: true, At: p.now.Add(-p.fresh() - 1)})
	kept := intended(intent{Unsent: true})
	ledger := published(0)

	show := func(note, modified string) sighting {
		return sighting{Published: driver.Published{Note: note, Modified: modified}, exists: true}
	}
	digested := func(s sighting, own, sent bool) sighting {
		s.recognized, s.own, s.sent = true, own, sent
		return s
	}
	pending := show(note(7), "2")
	pending.Pending = true

	type situation struct {
		r     *record
		found sighting
		want  verdict
	}
	situations := map[string][]situation{
		"N1": {
			{nil, sighting{}, verdictNothing},
			{removed, sighting{}, verdictNothing},
		},
		"N2": {
			{removed, show(note(5), "1"), verdictNothing},
			{removed, show(formerNote(4), "1"), verdictNothing},
		},
		"N3": {
			{removed, show(note(6), "1"), verdictAhead},
			{nil, show(note(1), "1"), verdictAhead},
			{nil, show(formerNote(1), "1"), verdictBound},
		},
		"N4": {
			{nil, show("", "1"), verdictBound},
			{nil, show(foreign, "1"), verdictBound},
			{removed, show(formerNote(101), "1"), verdictBound},
		},
		"I1": {
			{now, sighting{}, verdictResend},
			{late, sighting{}, verdictFresh},
			{early, sighting{}, verdictFresh},
			{kept, sighting{}, verdictResend},
		},
		"I2": {
			{now, digested(show("", "2"), true, true), verdictResend},
			{late, digested(show(foreign, "2"), true, true), verdictFresh},
		},
		"I3": {
			{now, show("", "2"), verdictDrifted},
			{late, show(foreign, "2"), verdictDrifted},
			{now, show(formerNote(101), "2"), verdictDrifted},
			{kept, digested(show("", "2"), true, true), verdictDrifted},
			{now, digested(show("", "2"), false, true), verdictDrifted},
		},
		"I4": {
			{now, show(note(8), "2"), verdictAhead},
			{late, show(other(7), "2"), verdictAhead},
			{now, show(formerNote(8), "2"), verdictDrifted},
			{now, show(formerNote(7), "2"), verdictDrifted},
		},
		"I5": {
			{now, digested(show(note(5), "2"), false, false), verdictDrifted},
			{late, digested(show(note(7), "2"), false, false), verdictDrifted},
		},
		"I6": {
			{now, digested(show(note(7), "2"), false, true), verdictResend},
			{late, digested(show(note(7), "2"), false, true), verdictFresh},
		},
		"I7": {
			{now, pending, verdictWaiting},
			{late, pending, verdictWaiting},
		},
		"I8": {
			{late, show(note(7), "2"), verdictFresh},
			{early, digested(show(note(7), "2"), true, true), verdictFresh},
		},
		"I9": {
			{now, show(note(7), "2"), verdictConfirm},
			{now, digested(show(note(7), "2"), true, true), verdictConfirm},
		},
		"I10": {
			{now, show(note(4), "2"), verdictRepair},
			{late, show(formerNote(4), "2"), verdictRepair},
			{now, digested(show(note(4), "2"), false, true), verdictRepair},
		},
		"I11": {
			{now, show(note(5), "1"), verdictResend},
			{now, show(note(6), "2"), verdictResend},
			{late, show(note(5), "1"), verdictFresh},
		},
		"P1": {
			{ledger, sighting{}, verdictMissing},
		},
		"P2": {
			{ledger, show("", "1"), verdictDrifted},
			{ledger, show(foreign, "1"), verdictDrifted},
			{ledger, show(formerNote(101), "1"), verdictDrifted},
		},
		"P3": {
			{ledger, show(note(6), "2"), verdictAhead},
			{ledger, show(formerNote(6), "2"), verdictDrifted},
		},
		"P4": {
			{ledger, digested(show(note(5), "2"), false, false), verdictDrifted},
			{ledger, digested(show(note(4), "2"), false, false), verdictDrifted},
		},
		"P5": {
			{ledger, show(note(4), "2"), verdictRepair},
			{ledger, show(formerNote(4), "2"), verdictRepair},
		},
		"P6": {
			{ledger, show(other(5), "2"), verdictAhead},
			{ledger, show(formerNote(5), "2"), verdictDrifted},
		},
		"P7": {
			{ledger, show(note(5), "1"), verdictSettled},
			{published(day), show(note(5), "1"), verdictSettled},
		},
		"P8": {
			{ledger, digested(show(note(5), "2"), false, true), verdictRepair},
		},
		"P9": {
			{published(1), show(note(5), "2"), verdictRepair},
		},
		"P10": {
			{ledger, show(note(5), "2"), verdictDrifted},
		},
	}
	rows := 0
	for _, row := range protocolRows(protocolPage(t, "The state table")) {
		if len(row) != 3 {
			continue
		}
		rows++
		list, ok := situations[row[0]]
		require.True(t, ok, "no situation shows row %s", row[0])
		var seen []string
		for i, s := range list {
			t.Run(fmt.Sprint(row[0], "/", i), func(t *testing.T) {
				require.Equal(t, s.want, st.reconcile(s.r, s.found, name, p))
			})
			seen = append(seen, string(s.want))
		}
		slices.Sort(seen)
		require.ElementsMatch(t, slices.Compact(seen), quoted(row[2]), "row %s", row[0])
	}
	require.Len(t, situations, rows)
}

// Links of docs/protocol.md lead to files, and those with the name of a test to its
// file.
func TestProtocolLinks(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	require.NoError(t, err)
	links := regexp.MustCompile(`\[([^\]]+)\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(links), 20)
	for _, link := range links {
		source, err := os.ReadFile(filepath.Join("../../docs", link[2]))
		require.NoError(t, err)
		if strings.HasPrefix(link[1], "Test") && link[1] != "Tests" {
			require.Contains(t, string(source), "func "+link[1]+"(", link[2])
		}
	}
}
