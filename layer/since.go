package main

import "time"

// parseSince parses --since: a time before now, as [parseDuration] parses it, a
// day in the local time zone, or an instant with a zone. Its error does not
// repeat the text.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, err := parseDuration(text); err == nil && d >= 0 {
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
