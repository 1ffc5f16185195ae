package timeline

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 11, 24, 10, 50, 14, 0, time.UTC)

func days(n float64) time.Time    { return noon.Add(time.Duration(n * 24 * float64(time.Hour))) }
func seconds(n float64) time.Time { return noon.Add(time.Duration(n * float64(time.Second))) }

var pictures = []struct {
	name    string
	secrets []Secret
}{
	{"quarters", []Secret{
		{Address: "$SECRET.auth.session-key", Current: "v5", Pending: "v6", NextRotation: days(89), Ready: days(1),
			Versions: []Version{
				{ID: "v1", Until: days(-262), Gone: "pruned"}, {ID: "v2", From: days(-270), Until: days(-172), Gone: "pruned"},
				{ID: "v3", From: days(-180), Until: days(-60), Gone: "revoked"},
				{ID: "v4", From: days(-90), Until: days(20)}, {ID: "v5", From: days(-8)}, {ID: "v6", From: days(1)}}},
		{Address: "$SECRET.billing.stripe-secret", Current: "v1", Versions: []Version{{ID: "v1", From: days(-100)}}},
		{Address: "$SECRET.storage.r2", Current: "v3", NextRotation: days(40), Versions: []Version{
			{ID: "v1"}, {ID: "v2", From: days(-140)}, {ID: "v3", From: days(-50)}}},
	}},
	{"hours", []Secret{
		{Address: "$SECRET.auth.api-signing-key", Current: "v2", NextRotation: days(400), Versions: []Version{
			{ID: "v1", Until: days(1.8)}, {ID: "v2", From: days(-0.2)}, {ID: "v3", From: days(0.5), Gone: "withdrawn"}}},
	}},
	{"seconds", []Secret{
		{Address: "$SECRET.auth.session-key", Current: "v2", Pending: "v3", NextRotation: days(7), Ready: seconds(4),
			Versions: []Version{
				{ID: "v1", From: seconds(-40), Until: seconds(7)}, {ID: "v2", From: seconds(-3)}, {ID: "v3", From: seconds(4)}}},
	}},
	{"fresh", []Secret{
		{Address: "$SECRET.auth.session-key", Current: "v1", NextRotation: days(90),
			Versions: []Version{{ID: "v1", From: seconds(-20)}}},
		{Address: "$SECRET.storage.r2", Current: "v1", Versions: []Version{{ID: "v1"}}},
	}},
	{"due", []Secret{
		{Address: "$SECRET.auth.session-key", Current: "v2", Pending: "v3", NextRotation: days(-3), Versions: []Version{
			{ID: "v1", Until: days(-1)}, {ID: "v2", From: days(-93)}, {ID: "v3", From: days(-2)}}},
		{Address: "$SECRET.auth.not-yet"},
	}},
}

// A person has approved each drawing. `go test -update` writes them again; a
// person must then look at them again.
func TestDrawingsAreAsApproved(t *testing.T) {
	for _, p := range pictures {
		for name, got := range map[string]string{
			p.name + ".txt":       Text(p.secrets, noon, TextOptions{}),
			p.name + ".ascii.txt": Text(p.secrets, noon, TextOptions{ASCII: true}),
			p.name + ".40.txt":    Text(p.secrets, noon, TextOptions{Width: 40}),
			p.name + ".svg":       SVG(p.secrets, noon, nil),
		} {
			t.Run(name, func(t *testing.T) {
				file := filepath.Join("testdata", name)
				if *update {
					require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				require.Equal(t, string(want), got)
			})
		}
	}
}

// anySecrets makes histories that a ledger could contain, and some that it
// could not.
func anySecrets(r *rand.Rand, now time.Time) []Secret {
	unit := []time.Duration{time.Millisecond, time.Second, time.Hour, 24 * time.Hour, 90 * 24 * time.Hour,
		3000 * 24 * time.Hour}[r.IntN(6)]
	at := func() time.Time {
		if r.IntN(6) == 0 {
			return time.Time{}
		}
		return now.Add(time.Duration(r.Int64N(12*int64(unit)) - 6*int64(unit)))
	}
	secrets := make([]Secret, r.IntN(5))
	for i := range secrets {
		s := &secrets[i]
		s.Address = "$SECRET." + strings.Repeat("n", 1+r.IntN(63)) + "." + strings.Repeat("x", 1+r.IntN(63))
		s.NextRotation, s.Ready = at(), at()
		for n := range r.IntN(12) {
			v := Version{ID: "v" + strconv.Itoa(n+1), From: at(), Until: at()}
			if r.IntN(20) == 0 {
				v.ID = strings.Repeat("k", 1+r.IntN(60)) + "\x1b[31mé"
			}
			if r.IntN(3) == 0 {
				v.Gone = []string{"pruned", "revoked", "withdrawn", "removed",
					"something that nobody has heard of, nor ever will"}[r.IntN(5)]
			}
			s.Versions = append(s.Versions, v)
		}
		if n := len(s.Versions); n > 0 {
			s.Current, s.Pending = s.Versions[r.IntN(n)].ID, s.Versions[r.IntN(n)].ID
		}
	}
	return secrets
}

// narrow matches lines that have as many columns as letters: none of these
// characters is wide, combines, or is drawn as an emoji.
var narrow = regexp.MustCompile(`^[ -~─│┬┼█▒░◄►◆×▼…]*$`)

var escape = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func TestTextWhateverTheHistory(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		secrets := anySecrets(r, noon)
		o := TextOptions{Width: 40 + r.IntN(161), ASCII: r.IntN(2) == 0}
		got := Text(secrets, noon, o)
		require.NotContains(t, got, "\x1b")
		o.Color = true
		require.Equal(t, got, escape.ReplaceAllString(Text(secrets, noon, o), ""), "colour changes nothing but colour")
		now := -1
		for _, l := range strings.Split(got, "\n") {
			require.LessOrEqual(t, utf8.RuneCountInString(l), o.Width, got)
			require.Regexp(t, narrow, l)
			require.Equal(t, strings.TrimRight(l, " "), l)
			if o.ASCII {
				require.Equal(t, len(l), utf8.RuneCountInString(l))
			}
			if now < 0 {
				now = column(l, "v▼")
				continue
			}
			if isBar.MatchString(l) {
				require.Contains(t, "|│", string([]rune(l)[now]), got)
			}
		}
	}
}

var isBar = regexp.MustCompile(`^  v[0-9]+ `)

func column(line, chars string) int {
	for i, r := range []rune(line) {
		if strings.ContainsRune(chars, r) {
			return i
		}
	}
	return -1
}

// TestTextTellsTheTruth compares the cells beside the now line with the state
// of the version.
func TestTextTellsTheTruth(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	axis := regexp.MustCompile(`^ +[─┬]*┼[─┬]*$`)
	for range 1000 {
		secrets := anySecrets(r, noon)
		for i := range secrets {
			for n := range secrets[i].Versions {
				secrets[i].Versions[n].ID = "v" + strconv.Itoa(n+1)
			}
			secrets[i].Current, secrets[i].Pending = "v2", "v9"
		}
		if len(secrets) == 0 {
			continue
		}
		got := Text(secrets, noon, TextOptions{Width: 40 + r.IntN(161)})
		var bars [][]rune
		left, end, now := 0, 0, 0
		for _, l := range strings.Split(got, "\n") {
			switch {
			case isBar.MatchString(l):
				bars = append(bars, []rune(l))
			case axis.MatchString(l):
				left, end, now = column(l, "─┬┼"), utf8.RuneCountInString(l), column(l, "┼")
			}
		}
		blocks, _ := prepare(secrets, noon, nil, shortest)
		for _, b := range blocks {
			for _, row := range b.rows {
				require.NotEmpty(t, bars, got)
				line := bars[0]
				bars = bars[1:]
				for x, c := range line {
					if strings.ContainsRune("█▒░◄►◆×", c) {
						require.True(t, left <= x && x < end, got)
					}
				}
				if len(row.stretches) == 0 {
					continue
				}
				from, until := row.stretches[0].from, row.stretches[len(row.stretches)-1].until
				before, after := string(line[left:now]), string(line[min(now+1, len(line)):min(end, len(line))])
				begun, over := from.IsZero() || from.Before(noon), !until.IsZero() && !until.After(noon)
				switch {
				case begun && !over:
					require.NotEqual(t, ' ', line[now-1], "goes on: %s\n%s", row.id, got)
					require.NotEmpty(t, strings.Trim(after, " "), "goes on: %s\n%s", row.id, got)
				case over:
					require.Empty(t, strings.Trim(after, " ◆"), "is over: %s\n%s", row.id, got)
				default:
					require.Empty(t, strings.Trim(before, " ◆"), "has not begun: %s\n%s", row.id, got)
					require.NotEmpty(t, strings.Trim(after, " "), "has not begun: %s\n%s", row.id, got)
				}
			}
		}
		require.Empty(t, bars, got)
	}
}

func TestLongNamesAreCutOrWrapped(t *testing.T) {
	got := Text([]Secret{{Address: "$SECRET." + strings.Repeat("n", 63) + ".x", Current: "key-2026-11",
		Versions: []Version{
			{ID: "key-2026-10", Until: days(3)}, {ID: "key-2026-11", From: days(-3)}}}}, noon, TextOptions{Width: 40})
	require.Contains(t, got, "  key…-10 ◄▒")
	require.Contains(t, got, "  key…-11 █")
	require.Equal(t, 63, strings.Count(got, "n")-strings.Count(Text([]Secret{{Current: "key-2026-11", Versions: []Version{
		{ID: "key-2026-10", Until: days(3)}, {ID: "key-2026-11", From: days(-3)}}}}, noon, TextOptions{Width: 40}), "n"),
		"nothing of an address is lost")
}

func TestShortLivesAreSeen(t *testing.T) {
	got := Text([]Secret{{Current: "v4", Pending: "v5", NextRotation: days(90), Versions: []Version{
		{ID: "v1", From: days(-90), Until: days(-30)}, {ID: "v2", From: days(-40), Until: days(-39.99), Gone: "revoked"},
		{ID: "v3", From: days(-39.99), Until: days(1)}, {ID: "v4", From: days(-1)}, {ID: "v5", From: days(89.99)}}}}, noon,
		TextOptions{})
	for _, want := range []string{"  v2 +─ +│ +revoked", "  v3 +█+▒│▒ +accepted", "  v4 +█│█+", "  v5 +│ +◆░► announced"} {
		require.Regexp(t, want, got)
	}
}

func TestLongDrawingsHaveTheAxisTwice(t *testing.T) {
	var secrets []Secret
	for range 31 {
		secrets = append(secrets, Secret{Current: "v1", Versions: []Version{{ID: "v1", From: days(-3)}}})
	}
	require.Equal(t, 2, strings.Count(Text(secrets, noon, TextOptions{}), "┼"))
	require.Equal(t, 1, strings.Count(Text(secrets[:30], noon, TextOptions{}), "┼"))
}

func TestNoSecrets(t *testing.T) {
	require.Equal(t, "no secrets\n", Text(nil, noon, TextOptions{}))
}
