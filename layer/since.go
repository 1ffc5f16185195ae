package main

import (
	"strconv"
	"strings"
	"time"
)

// parseSince parses --since: a time before now (24h, 90m, 7d, 1d12h), a day in
// the local time zone, or an instant with a zone. Its error does not repeat the
// text.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, ok := parseDays(text); ok && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04",
		"2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("--since takes a time such as 24h or 7d, or a day such as 2026-11-01, with a time of day " +
		"if you like: 2026-11-01T09:30")
}

// maxDays is about a century: the largest number of days that is no mistake.
const maxDays = 36_500

// parseDays parses a duration that may begin with days of 24 hours: 7d, 1d12h.
func parseDays(text string) (time.Duration, bool) {
	var days time.Duration
	if n, rest, ok := strings.Cut(text, "d"); ok {
		count, err := strconv.ParseUint(n, 10, 32)
		if err != nil || count > maxDays {
			return 0, false
		}
		if days = time.Duration(count) * 24 * time.Hour; rest == "" {
			return days, true
		}
		text = rest
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxDays*24*time.Hour {
		return 0, false
	}
	return days + d, true
}
