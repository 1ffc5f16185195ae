package main

import (
	"fmt"
	"time"
)

// Times for people, in the local time zone.

// day returns the date of an instant.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateOnly)
}

// inUse returns from when a version may be in use: the instant, rounded up to a
// minute, and the time until then.
func inUse(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	up := t.Truncate(time.Minute)
	if up.Before(t) {
		up = up.Add(time.Minute)
	}
	return fmt.Sprintf("%s (%s)", up.Local().Format("2006-01-02 15:04"), within(t, now))
}

// within returns the time until t. Hours, minutes and seconds are rounded up: a
// command that waits as long does not come too early.
func within(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case !now.Before(t):
		return "now"
	}
	return "in " + rough(t.Sub(now), true)
}

// ago returns the time since t, rounded down.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return rough(max(now.Sub(t), 0), false) + " ago"
}

// rough returns a duration in the largest unit of which there are at least two.
func rough(d time.Duration, up bool) string {
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		n := d / unit.size
		switch {
		case up && unit.name == "d":
			n = d.Round(unit.size) / unit.size
		case up && d%unit.size > 0:
			n++
		}
		if d >= 2*unit.size || unit.size == time.Second {
			return fmt.Sprintf("%d%s", n, unit.name)
		}
	}
	return ""
}
