package timeline

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/require"
)

// On every scale, and where clocks change, the axis has marks in order.
func TestTicksHaveRoom(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	zones := []*time.Location{time.UTC}
	for _, name := range []string{"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu",
		"America/Santiago", "Pacific/Apia"} {
		loc, err := time.LoadLocation(name)
		require.NoError(t, err)
		zones = append(zones, loc)
	}
	for range 4000 {
		loc := zones[r.IntN(len(zones))]
		now := time.Unix(r.Int64N(4e9), 0).In(loc)
		length := math.Pow(10, r.Float64()*11+0.5) // 3 s to 10,000 years
		share := r.Float64()
		s := span{now: now, loc: loc, from: -share * length, until: (1 - share) * length}
		wide := 20 + 160*r.Float64()
		last := math.Inf(-1)
		ticks := s.ticks(wide)
		for _, k := range ticks {
			require.GreaterOrEqual(t, k.at, s.from)
			require.LessOrEqual(t, k.at, s.until)
			require.Greater(t, k.at, last)
			require.NotEmpty(t, k.label)
			last = k.at
		}
		require.LessOrEqual(t, float64(len(ticks)), wide/3+2, "%v %v", now, s)
		if wide > 60 && length > 60 {
			require.NotEmpty(t, ticks, "%v from %.0f s to %.0f s", now, s.from, s.until)
			require.NotEmpty(t, ticks[0].above+ticks[0].label)
		}
	}
}

func TestTicksAreRound(t *testing.T) {
	type mark struct{ label, above string }
	for _, c := range []struct {
		name        string
		from, until float64
		want        []mark
	}{
		{"seconds", -20, 20, []mark{{"10:50:00", "Tue 2026-11-24"}, {"10:50:15", ""}, {"10:50:30", ""}}},
		{"minutes", -1800, 1800, []mark{{"10:30", "Tue 2026-11-24"}, {"10:45", ""}, {"11:00", ""}, {"11:15", ""}}},
		{"hours", -day, day, []mark{{"12:00", "Mon 2026-11-23"}, {"00:00", "Tue 2026-11-24"}, {"12:00", ""},
			{"00:00", "Wed 2026-11-25"}}},
		{"days", -15 * day, 10 * day, []mark{{"15", "Nov 2026"}, {"22", ""}, {"1", "Dec 2026"}}},
		{"months", -150 * day, 100 * day, []mark{{"Jul", "2026"}, {"Sep", ""}, {"Nov", ""}, {"Jan", "2027"}, {"Mar", ""}}},
		{"years", -2000 * day, 1000 * day, []mark{{"2022", ""}, {"2024", ""}, {"2026", ""}, {"2028", ""}}},
		{"a life", -10000 * day, 26600 * day, []mark{{"2000", ""}, {"2020", ""}, {"2040", ""}, {"2060", ""}, {"2080", ""}}},
		{"an era", -1500 * 365 * day, 100 * 365 * day, []mark{{"1000", ""}, {"1500", ""}, {"2000", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []mark
			for _, k := range (span{now: noon, loc: time.UTC, from: c.from, until: c.until}).ticks(32) {
				got = append(got, mark{k.label, k.above})
			}
			require.Equal(t, c.want, got)
		})
	}
}

// TestTicksWhereClocksChange: in the hour that is skipped, no tick comes before
// the previous one.
func TestTicksWhereClocksChange(t *testing.T) {
	loc, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	for _, change := range []time.Time{time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC),
		time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC)} {
		s := span{now: change.In(loc), loc: loc, from: -7000, until: 7000}
		last := math.Inf(-1)
		ticks := s.ticks(110)
		require.NotEmpty(t, ticks)
		for _, k := range ticks {
			require.Greater(t, k.at, last)
			require.Equal(t, change.Add(time.Duration(k.at)*time.Second).In(loc).Format("15:04"), k.label)
			last = k.at
		}
	}
}

func TestOnlyWhatIsInTheSpanShows(t *testing.T) {
	s := span{now: noon, loc: time.UTC, from: -10 * day, until: 10 * day}
	for _, first := range []bool{true, false} {
		require.False(t, s.shows(stretch{from: days(-20), until: days(-11)}, first), "over before the drawing begins")
		require.True(t, s.shows(stretch{from: days(-20), until: days(-9)}, first))
		require.True(t, s.shows(stretch{}, first))
		require.Equal(t, first, s.shows(stretch{from: days(11)}, first), "beyond it, only the first is shown, as an arrow")
	}
}

// Limits are in days from now.
func TestSpanCoversWhatMatters(t *testing.T) {
	quarter := Secret{Current: "v2", NextRotation: days(60),
		Versions: []Version{{ID: "v1", Until: days(-28), Gone: "pruned"}, {ID: "v2", From: days(-30)}}}
	minute := Secret{Current: "v2", NextRotation: days(7),
		Versions: []Version{{ID: "v1", Until: seconds(5)}, {ID: "v2", From: seconds(-5)}}}
	flip := Secret{Current: "v1", Pending: "v2", NextRotation: days(90),
		Versions: []Version{{ID: "v1", From: days(-90)}, {ID: "v2", From: days(1)}}}
	second := 1.0 / day
	for _, c := range []struct {
		name                         string
		secrets                      []Secret
		from, most, until, mostUntil float64
	}{
		{"between rotations", []Secret{quarter}, -30, -45, 60, 75},
		{"new: the first rotation is in sight", []Secret{{Current: "v1", NextRotation: days(90),
			Versions: []Version{{ID: "v1", From: seconds(-5)}}}},
			-1, -20, 90, 110},
		{"a flip in seconds is seen, the rotation in a week is not",
			[]Secret{{Current: "v1", Pending: "v2", NextRotation: days(7),
				Versions: []Version{{ID: "v1", From: seconds(-60)}, {ID: "v2", From: seconds(4)}}}}, -60 * second, -70 * second,
			4 * second, 15 * second},
		{"an overlap of seconds is seen, the rotation in a week is not", []Secret{minute}, -5 * second, -10 * second,
			5 * second, 10 * second},
		{"an announced flip leaves the lives around it", []Secret{flip}, -90, -120, 90, 120},
		{"several secrets, one axis", []Secret{quarter, flip}, -90, -120, 90, 120},
		{"nothing has a time", []Secret{{Current: "v1", Versions: []Version{{ID: "v1"}}}}, -0.1, -2, 0.1, 2},
		{"beyond what a duration holds", []Secret{{Current: "v1",
			Versions: []Version{{ID: "v1", From: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)}}}},
			-700_000, -800_000, 1, 200_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, s := prepare(c.secrets, noon, nil, shortest)
			require.LessOrEqual(t, s.from/day, c.from)
			require.Greater(t, s.from/day, c.most)
			require.GreaterOrEqual(t, s.until/day, c.until)
			require.Less(t, s.until/day, c.mostUntil)
			require.NotPanics(t, func() { Text(c.secrets, noon, TextOptions{}); SVG(c.secrets, noon, nil) })
		})
	}
}
