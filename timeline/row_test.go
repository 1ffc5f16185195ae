package timeline

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStretchesOfEachVersion(t *testing.T) {
	var open time.Time
	type rows = map[string][]stretch
	for _, c := range []struct {
		name   string
		secret Secret
		want   rows
	}{
		{"alone", Secret{Current: "v1", Versions: []Version{{ID: "v1"}}}, rows{"v1": {{open, open, current}}}},
		{"retained after a flip",
			Secret{Current: "v2", Versions: []Version{{ID: "v1", Until: days(2)}, {ID: "v2", From: days(-1)}}},
			rows{"v1": {{open, days(-1), current}, {days(-1), days(2), accepted}}, "v2": {{days(-1), open, current}}}},
		{"announced: the current one goes on to be accepted",
			Secret{Current: "v1", Pending: "v2", Versions: []Version{{ID: "v1"}, {ID: "v2", From: days(1)}}},
			rows{"v1": {{open, days(1), current}, {days(1), open, accepted}}, "v2": {{days(1), open, announced}}}},
		{"announced, ready later than planned",
			Secret{Current: "v1", Pending: "v2", Ready: days(2), Versions: []Version{{ID: "v1"}, {ID: "v2", From: days(1)}}},
			rows{"v1": {{open, days(2), current}, {days(2), open, accepted}}, "v2": {{days(2), open, announced}}}},
		{"announced and due: nothing says when",
			Secret{Current: "v1", Pending: "v2", Versions: []Version{{ID: "v1"}, {ID: "v2", From: days(-1)}}},
			rows{"v1": {{open, open, current}}, "v2": {{days(-1), open, announced}}}},
		{"announced does not replace what is retained",
			Secret{Current: "v2", Pending: "v3", Versions: []Version{{ID: "v1", From: days(-9)}, {ID: "v2", From: days(-3)},
				{ID: "v3", From: days(-1)}}},
			rows{"v1": {{days(-9), days(-3), current}, {days(-3), open, accepted}}, "v2": {{days(-3), open, current}},
				"v3": {{days(-1), open, announced}}}},
		{"nor does it where nothing else tells an end",
			Secret{Current: "v2", Pending: "v3", Versions: []Version{{ID: "v1"}, {ID: "v2"}, {ID: "v3", From: days(-1)}}},
			rows{"v1": {{open, open, accepted}}, "v2": {{open, open, current}}, "v3": {{days(-1), open, announced}}}},
		{"withdrawn ones replace nothing and have no bar",
			Secret{Current: "v3", Versions: []Version{{ID: "v1", Until: days(1)}, {ID: "v2", From: days(-3), Gone: "withdrawn"},
				{ID: "v3", From: days(-1)}}},
			rows{"v1": {{open, days(-1), current}, {days(-1), days(1), accepted}}, "v2": nil,
				"v3": {{days(-1), open, current}}}},
		{"revoked before it came into use",
			Secret{Current: "v1", Versions: []Version{{ID: "v1"}, {ID: "v2", From: days(-2), Until: days(-3), Gone: "revoked"}}},
			rows{"v1": {{open, open, current}}, "v2": nil}},
		{"pruned", Secret{Current: "v2", Versions: []Version{{ID: "v1", Until: days(-2), Gone: "pruned"},
			{ID: "v2", From: days(-4)}}},
			rows{"v1": {{open, days(-2), gone}}, "v2": {{days(-4), open, current}}}},
		{"gone at a time that nobody wrote down", Secret{Current: "v2",
			Versions: []Version{{ID: "v1", Gone: "revoked"}, {ID: "v2", From: days(-4)}}},
			rows{"v1": {{open, days(-4), gone}}, "v2": {{days(-4), open, current}}}},
		{"all removed", Secret{Versions: []Version{{ID: "v1", Gone: "removed"},
			{ID: "v2", From: days(-4), Until: days(3), Gone: "removed"}}},
			rows{"v1": {{open, days(-4), gone}}, "v2": {{days(-4), noon, gone}}}},
		{"expired, not pruned yet", Secret{Current: "v2", Versions: []Version{{ID: "v1", Until: noon},
			{ID: "v2", From: days(-4)}}},
			rows{"v1": {{open, noon, gone}}, "v2": {{days(-4), open, current}}}},
		{"two that began at once: the later one took over", Secret{Current: "v3",
			Versions: []Version{{ID: "v1", Until: days(1)},
				{ID: "v2", From: days(-1), Until: days(1)}, {ID: "v3", From: days(-1)}}},
			rows{"v1": {{open, days(-1), current}, {days(-1), days(1), accepted}},
				"v2": {{days(-1), days(-1), current}, {days(-1), days(1), accepted}},
				"v3": {{days(-1), open, current}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := rows{}
			for _, r := range newBlock(c.secret, noon).rows {
				got[r.id] = r.stretches
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestLabelsSayHowAVersionEnds(t *testing.T) {
	b := newBlock(Secret{Current: "v5", Pending: "v6", Versions: []Version{
		{ID: "v1", Until: days(-9), Gone: "pruned"}, {ID: "v2", From: days(3), Until: days(-1), Gone: "revoked"},
		{ID: "v3", From: days(-9), Gone: "withdrawn"}, {ID: "v4", Until: days(2)}, {ID: "v5", From: days(-2)},
		{ID: "v6", From: seconds(60)}}}, noon)
	for _, c := range []struct {
		length      float64
		long, short []string
	}{
		{30 * day,
			[]string{"pruned 2026-11-15", "revoked 2026-11-23", "withdrawn", "accepted until 2026-11-26", "current, no end yet",
				"announced for today 10:51"},
			[]string{"2026-11-15", "2026-11-23", "withdrawn", "2026-11-26", "no end yet", "today 10:51"}},
		{5 * day,
			[]string{"pruned 2026-11-15 10:50", "revoked 2026-11-23 10:50", "withdrawn", "accepted until 2026-11-26 10:50",
				"current, no end yet",
				"announced for today 10:51"},
			[]string{"2026-11-15 10:50", "2026-11-23 10:50", "withdrawn", "2026-11-26 10:50", "no end yet", "today 10:51"}},
		{60,
			[]string{"pruned 2026-11-15 10:50", "revoked 2026-11-23 10:50", "withdrawn", "accepted until 2026-11-26 10:50",
				"current, no end yet",
				"announced for 10:51:14"},
			[]string{"2026-11-15 10:50", "2026-11-23 10:50", "withdrawn", "2026-11-26 10:50", "no end yet", "10:51:14"}},
	} {
		over := span{now: noon, loc: time.UTC, from: -c.length / 2, until: c.length / 2}
		for i, r := range b.rows {
			require.Equal(t, c.long[i], label(over, r, false))
			require.Equal(t, c.short[i], label(over, r, true))
		}
	}
}

func TestLabelOfAnExpiredCurrentVersion(t *testing.T) {
	over := span{now: noon, loc: time.UTC, from: -30 * day, until: 30 * day}
	for until, want := range map[time.Time]string{days(-2): "current, expired 2026-11-22", noon: "current, expired today 10:50",
		days(2): "current until 2026-11-26"} {
		b := newBlock(Secret{Current: "v1", Versions: []Version{{ID: "v1", Until: until}}}, noon)
		require.Equal(t, want, label(over, b.rows[0], false))
	}
}

func TestLongGoneIsCounted(t *testing.T) {
	s := Secret{Address: "$SECRET.a.b", Current: "v50"}
	for i := 1; i < 50; i++ {
		s.Versions = append(s.Versions, Version{ID: "v" + strconv.Itoa(i), From: days(float64(-7 * (51 - i))),
			Until: days(float64(-7*(50-i) + 2)), Gone: "pruned"})
	}
	s.Versions = append(s.Versions, Version{ID: "v50", From: days(-7)})
	blocks, over := prepare([]Secret{s}, noon, nil, shortest)
	rows := blocks[0].rows
	require.LessOrEqual(t, len(rows), 1+keepGone)
	require.Equal(t, "v50", rows[len(rows)-1].id)
	require.Equal(t, "v49", rows[len(rows)-2].id, "the last one that is gone stays")
	require.Equal(t, 50, len(rows)+blocks[0].hidden)
	require.Less(t, over.length(), 40.0*day, "what is long gone does not stretch the axis")
	require.Contains(t, Text([]Secret{s}, noon, TextOptions{}),
		"  "+strconv.Itoa(blocks[0].hidden)+" older versions, gone")
}

// A version that is retained for ever keeps the axis long. The number of ended
// versions is then limited.
func TestManyGoneBesideAnOldOne(t *testing.T) {
	s := Secret{Current: "v30", Versions: []Version{{ID: "v1", From: days(-300)}}}
	for i := 2; i < 30; i++ {
		s.Versions = append(s.Versions, Version{ID: "v" + strconv.Itoa(i), From: days(float64(10*i - 310)),
			Until: days(float64(10*i - 299)), Gone: "pruned"})
	}
	s.Versions = append(s.Versions, Version{ID: "v30", From: days(-10)})
	blocks, _ := prepare([]Secret{s}, noon, nil, shortest)
	var ids []string
	for _, r := range blocks[0].rows {
		ids = append(ids, r.id)
	}
	require.Equal(t, []string{"v1", "v26", "v27", "v28", "v29", "v30"}, ids)
	require.Equal(t, 24, blocks[0].hidden)
}

func TestVersionsAreInOrder(t *testing.T) {
	ids := func(versions ...Version) (list []string) {
		for _, v := range inOrder(versions) {
			list = append(list, v.ID)
		}
		return list
	}
	require.Equal(t, []string{"v2", "v9", "v10"}, ids(Version{ID: "v10"}, Version{ID: "v9", From: noon},
		Version{ID: "v2"}))
	require.Equal(t, []string{"old", "v1", "new"}, ids(Version{ID: "v1", From: days(-1)}, Version{ID: "new", From: noon},
		Version{ID: "old"}))
}
