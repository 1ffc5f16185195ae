package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"1d": day, "7d": 7 * day, "1d12h": 36 * time.Hour, "0d": 0, "0d5s": 5 * time.Second, "1.5d": 36 * time.Hour,
		".5d": 12 * time.Hour, "2d1h30m": 49*time.Hour + 30*time.Minute, "+1d": day, "-1d": -day, "-1d12h": -36 * time.Hour,
		"106751d": 106751 * day, "106751d23h47m16.854775807s": math.MaxInt64,
		"24h": day, "90m": 90 * time.Minute, "-1h": -time.Hour, "0": 0, "1.5h": 90 * time.Minute,
	} {
		got, err := parseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "d", "1", "1d12", "12h1d", "1d1d", "1d-12h", "1d+12h", "--1d", "1 d", "1d ", "1D",
		"1w", "1e3d", "infd", "nand", "0x1d", "1_0d", ".d", "1.2.3d", "106752d", "106751d23h47m17s", "9223372036854775807d",
		"99999999999999999999999999d", "1dd", "d12h", "madeup"} {
		_, err := parseDuration(text)
		require.Error(t, err, text)
	}
}

// Every flag for a time takes days, its help says so, and a wrong text is not
// repeated.
func TestEveryTimeTakesDays(t *testing.T) {
	t.Parallel()
	l := &layer{process: process{in: strings.NewReader(""), lookup: func(string) (string, bool) { return "", false }},
		out: newScreen(nil, func(string) (string, bool) { return "", false })}
	flags := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() == "duration" {
				flags++
				require.NoError(t, f.Value.Set("1d12h"), "%s --%s", c.CommandPath(), f.Name)
				require.Equal(t, "36h0m0s", f.Value.String())
			}
		})
		c.PersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() == "duration" {
				flags++
				require.NoError(t, f.Value.Set("1d"), "%s --%s", c.CommandPath(), f.Name)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(l.command())
	require.GreaterOrEqual(t, flags, 3)

	dir := folder(t, rotating)
	for _, args := range [][]string{{"status", "--overdue"}, {"rotate", "--window"}, {"rotate", "--margin"}} {
		_, stderr := layerIn(t, dir, nil, 2, "secret", args[0], args[1], "madeup_Wm29d")
		require.Contains(t, stderr, args[1]+" takes a time such as 24h or 90m")
		_, stderr = layerIn(t, dir, nil, 2, "secret", args[0], args[1]+"=-1d", "--spec", "spec.json")
		require.Contains(t, stderr, "negative")
		layerIn(t, dir, nil, 2, "secret", args[0], args[1], "106752d")
	}
	layerIn(t, dir, nil, 0, "secret", "apply", "--spec", "spec.json", "--window", "1d", "--margin", "0d")
	stdout, _ := layerIn(t, dir, nil, 0, "secret", "--help")
	require.Contains(t, stdout, "1d12h")
}
