package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// tableText returns the lines of a screen, without colours.
func tableText(screen string) []string {
	text := strings.ReplaceAll(escape.ReplaceAllString(screen, ""), "\r", "")
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// A person sees from when a pending version is in use, the last change of each
// value, the problems, and the summary in the last line.
func TestStatusOnATerminal(t *testing.T) {
	t.Parallel()
	dir := folder(t, stripe, rotating)
	layerIn(t, dir, nil, 1, "secret", "apply", "--spec", "spec.json")
	layerIn(t, dir, nil, 0, "secret", "rotate", "$SECRET.auth.session-key", "--now", "--spec", "spec.json")
	stdout, _ := layerIn(t, dir, nil, 0, "secret", "status", "--state", "pending", "--json", "--spec", "spec.json")
	var r reportJSON
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.NotNil(t, r.Secrets[0].ComesIntoUse)
	ready, err := time.Parse(time.RFC3339, *r.Secrets[0].ComesIntoUse)
	require.NoError(t, err)
	use := inUse(ready, ready.Add(-24*time.Hour))
	use = use[:strings.Index(use, "(")]
	for columns, want := range map[int]string{
		200: `session-key +random +pending +v1 → v2 +` + use + `\(in 24h\) +20..-..-.. ..:..:.. +20..-..-.. ..:..:.. +2 +\d+`,
		100: `session-key +pending +v1 → v2 +in 24h +\d+[sm] ago +in \d+d(.|\n)*session-key: v2 in use from ` + use,
		80:  `session-key +pending +v1 → v2 +in 24h +\d+[sm] ago(.|\n)*session-key: v2 in use from ` + use,
		70:  `session-key: v2 in use from ` + use + `\(in 24h\)`,
		40:  `in use from ` + use + `\(in 24h\)`,
	} {
		lines := tableText(atTerminal(t, dir, nil, columns, "secret", "status", "--spec", "spec.json").ends(1))
		require.Regexp(t, want, strings.Join(lines, "\n"), "%d columns", columns)
		last := strings.Join(lines[len(lines)-3:], " ")
		require.Contains(t, last, "2 secrets: 1 pending, 1 external_value_required; 1 needs a person", "%d columns", columns)
		require.Regexp(t, `\nlayer: \$SECRET.billing.stripe-secret: external_value_required(.|\n)*\n2 secrets: `,
			strings.Join(lines, "\n"))
	}
	screen := atTerminal(t, dir, nil, 80, "secret", "status", "--state", "pending", "--spec", "spec.json").ends(0)
	lines := tableText(screen)
	require.Equal(t, "1 of 2 secrets: 1 pending", lines[len(lines)-1])
	lines = tableText(atTerminal(t, dir, nil, 80, "secret", "status", "--state", "due", "--spec", "spec.json").ends(0))
	require.Equal(t, []string{"0 of 2 secrets"}, lines)
	declare(t, dir)
	empty := atTerminal(t, dir, nil, 80, "secret", "status", "--state", "ok", "--spec", "spec.json").ends(0)
	require.Equal(t, []string{"0 of 1 secret"}, tableText(empty))
}

func TestStatusOfAnEmptyProgramSaysSo(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	screen := atTerminal(t, dir, nil, 80, "secret", "status", "--spec", "spec.json").ends(0)
	require.Equal(t, []string{"no secrets are declared"}, tableText(screen))
}

// The states in the help are the states that --state accepts.
func TestHelpDescribesEveryState(t *testing.T) {
	t.Parallel()
	help, _ := layerIn(t, t.TempDir(), nil, 0, "secret", "status", "--help")
	text, _, _ := strings.Cut(help, "Usage:")
	described := regexp.MustCompile(`(?m)^  ([a-z_]+)  +\S`).FindAllStringSubmatch(text, -1)
	var list []string
	for _, d := range described {
		list = append(list, d[1])
	}
	require.Equal(t, listed(states, stateName), list)
}

func TestSummaryCountsStates(t *testing.T) {
	of := func(state rotate.SecretState, n int, person bool) (list []rotate.SecretStatus) {
		for range n {
			list = append(list, rotate.SecretStatus{State: state, NeedsPerson: person})
		}
		return list
	}
	var r rotate.Result
	r.Secrets = append(of(rotate.StateDue, 1, false), append(of(rotate.StateOK, 996, false), of(rotate.StatePending, 3,
		false)...)...)
	require.Equal(t, "1,000 secrets: 996 ok, 3 pending, 1 due", summary(r, 1000))
	require.Equal(t, "1,000 of 2,345,678 secrets: 996 ok, 3 pending, 1 due", summary(r, 2345678))
	r = rotate.Result{Secrets: of(rotate.StateDue, 2, true), Undeclared: of(rotate.StateUndeclared, 1, false)}
	require.Equal(t, "3 secrets: 2 due, 1 undeclared; 2 need a person", summary(r, 3))
	require.Equal(t, "1 secret: 1 ok", summary(rotate.Result{Secrets: of(rotate.StateOK, 1, false)}, 1))
	for n, text := range map[int]string{0: "0", 12: "12", 999: "999", 1000: "1,000", 12345: "12,345", 123456: "123,456",
		1234567: "1,234,567"} {
		require.Equal(t, text, number(n))
	}
	require.Equal(t, "3 secrets: 2\ndue, 1\nundeclared;", wrap("3 secrets: 2 due, 1 undeclared;", 12))
}

func TestTimesForPeople(t *testing.T) {
	now := time.Date(2026, 11, 30, 10, 0, 30, 0, time.Local)
	for d, want := range map[time.Duration]struct{ within, ago string }{
		0:                              {"now", "0s ago"},
		time.Nanosecond:                {"in 1s", "0s ago"},
		119 * time.Second:              {"in 119s", "119s ago"},
		2*time.Minute + time.Second:    {"in 3m", "2m ago"},
		119 * time.Minute:              {"in 119m", "119m ago"},
		2*time.Hour + time.Minute:      {"in 3h", "2h ago"},
		24*time.Hour - time.Second:     {"in 24h", "23h ago"},
		48*time.Hour + time.Nanosecond: {"in 2d", "2d ago"},
		30*24*time.Hour + 13*time.Hour: {"in 31d", "30d ago"},
		365 * 24 * time.Hour:           {"in 365d", "365d ago"},
	} {
		require.Equal(t, want.within, within(now.Add(d), now))
		require.Equal(t, want.ago, ago(now.Add(-d), now))
	}
	require.Equal(t, "now", within(now.Add(-time.Hour), now))
	require.Equal(t, "0s ago", ago(now.Add(time.Hour), now), "another machine's clock is ahead")
	require.Equal(t, "2026-11-30 10:01 (now)", inUse(now, now))
	require.Equal(t, "2026-11-30 11:00 (in 60m)", inUse(now.Add(59*time.Minute+30*time.Second), now))
	for _, empty := range []string{within(time.Time{}, now), ago(time.Time{}, now), inUse(time.Time{}, now),
		day(time.Time{})} {
		require.Equal(t, "-", empty)
	}
}

// A thousand secrets fill one table, of which each line fits the terminal.
func TestAThousandSecretsStayReadable(t *testing.T) {
	var r rotate.Result
	for i := range 1000 {
		s := rotate.SecretStatus{Address: secret.Address{Namespace: fmt.Sprintf("service-%02d", i%37),
			Name: fmt.Sprintf("session-key-%d", i)}, Kind: secret.KindRandom, State: rotate.StateOK, Current: "v12",
			Changed: time.Now().Add(-time.Duration(i) * time.Hour), NextRotation: time.Now().Add(time.Duration(i) * time.Hour),
			Bytes: 2000, Limit: 65536, Versions: make([]rotate.Life, 12)}
		if i%50 == 0 {
			s.State, s.Pending, s.Ready = rotate.StatePending, "v13", time.Now().Add(12*time.Hour)
		}
		r.Secrets = append(r.Secrets, s)
	}
	for columns, header := range map[int]string{80: "address state current in use changed next",
		110: "address state current in use from changed next",
		200: "address kind state current in use from changed next rotation versions bytes"} {
		var out strings.Builder
		l := &layer{process: with(nil), out: &screen{w: &out, terminal: true, width: columns}, err: &screen{w: &out}}
		began := time.Now()
		l.printStatus(r)
		require.Less(t, time.Since(began), time.Second)
		lines := tableText(out.String())
		require.Len(t, lines, 1001, "%d columns", columns)
		require.Equal(t, header, strings.Join(strings.Fields(lines[0]), " "), "%d columns", columns)
		for _, line := range lines {
			require.LessOrEqual(t, len([]rune(line)), columns)
		}
	}
}
