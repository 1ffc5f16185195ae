package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSinceTakesATimeOrADay(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 10, 0, 0, 0, time.Local)
	for text, want := range map[string]time.Time{
		"24h":                  now.Add(-24 * time.Hour),
		"90m":                  now.Add(-90 * time.Minute),
		"7d":                   now.Add(-7 * 24 * time.Hour),
		"1d12h":                now.Add(-36 * time.Hour),
		"1.5d":                 now.Add(-36 * time.Hour),
		"106751d":              now.Add(-106751 * 24 * time.Hour),
		"0s":                   now,
		"0d":                   now,
		"2026-11-01":           time.Date(2026, 11, 1, 0, 0, 0, 0, time.Local),
		"2026-11-01 09:30":     time.Date(2026, 11, 1, 9, 30, 0, 0, time.Local),
		"2026-11-01T09:30":     time.Date(2026, 11, 1, 9, 30, 0, 0, time.Local),
		"2026-11-01T09:30:15":  time.Date(2026, 11, 1, 9, 30, 15, 0, time.Local),
		"2026-11-01T09:30:15Z": time.Date(2026, 11, 1, 9, 30, 15, 0, time.UTC),
		"2027-01-01":           time.Date(2027, 1, 1, 0, 0, 0, 0, time.Local),
	} {
		got, err := parseSince(text, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(got), "%s: %v", text, got)
	}
	for _, text := range []string{"", "d", "7", "-7d", "-24h", "7d-1h", "1h7d", "7.5.1d", "106752d", "madeup_7d",
		"2026-13-01", "99999999d",
		"yesterday", "7dd"} {
		_, err := parseSince(text, now)
		require.ErrorAs(t, err, &usageError{}, "%q", text)
		require.NotContains(t, err.Error(), "madeup")
	}
}
