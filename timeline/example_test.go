package timeline_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/layeron-hq/secret/timeline"
)

var (
	now     = time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC)
	secrets = []timeline.Secret{{
		Address: "$SECRET.auth.session-key",
		Current: "v2", Pending: "v3", NextRotation: now.AddDate(0, 0, 50),
		Versions: []timeline.Version{
			{ID: "v1", From: now.AddDate(0, 0, -90), Until: now.AddDate(0, 0, 20)},
			{ID: "v2", From: now.AddDate(0, 0, -40)},
			{ID: "v3", From: now.AddDate(0, 0, 10)},
		},
	}}
)

func ExampleText() {
	fmt.Print(timeline.Text(secrets, now, timeline.TextOptions{ASCII: true}))
	// Output:
	// now 2026-11-24 12:00:00 UTC v
	//         2026                       |           2027
	//         Sep      Oct       Nov     |  Dec      Jan
	//      ---+--------+---------+-------|--+--------+------
	// $SECRET.auth.session-key           |                    next rotation 2027-01-13
	//   v1  ################=============|======             accepted until 2026-12-14
	//   v2                  #############|###==============> current, no end yet
	//   v3                               |   ++++++++++++R+> announced for 2026-12-04
	//
	// ## current   == overlap, still accepted   ++ announced   | now   R next rotation
	// < > goes on
}

func ExampleSVG() {
	picture := timeline.SVG(secrets, now, time.UTC)
	fmt.Println(strings.Contains(picture,
		"v1 accepted until 2026-12-14; v2 current, no end yet; v3 announced for 2026-12-04"))
	// Output: true
}

func ExampleNewChart() {
	chart := timeline.NewChart(secrets, now, time.UTC)
	for _, lane := range chart.Lives[0].Lanes {
		fmt.Println(lane.ID, lane.State, "-", lane.Label)
	}
	fmt.Println(chart.Lives[0].Next)
	// Output:
	// v1 accepted - accepted until 2026-12-14
	// v2 current - current, no end yet
	// v3 announced - announced for 2026-12-04
	// next rotation 2027-01-13
}
