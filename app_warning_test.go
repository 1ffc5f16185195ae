package secret_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestWarningsAreLoggedOnce: each code at its edges. A week before an end,
// three days after a rotation was due.
func TestWarningsAreLoggedOnce(t *testing.T) {
	const (
		a     = "2005-03-01T12:00:00Z" // when the current version became active, or ends
		ends  = `{"current":"v2","versions":{"v2":{"value":"dos","expiresAt":"` + a + `"}`
		began = `{"current":"v2","versions":{"v2":{"value":"dos","activeFrom":"` + a + `"}}}`
	)
	instant := time.Date(2005, 3, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	anchored := func(days int, start time.Time) *secret.Rotation {
		return &secret.Rotation{EveryDays: days, StartAt: start}
	}
	plain := map[string]secret.Options{"": {}, "pinned": {Format: secret.FormatPlain}}

	for name, c := range map[string]struct {
		text     string
		rotation *secret.Rotation
		at       time.Time // zero: instant
		want     []string  // code and id
	}{
		"none":        {text: `{"current":"v2","versions":{"v1":{"value":"uno"},"v2":{"value":"dos"}}}`},
		"no marker":   {text: `{"versions":{"v1":{"value":"uno"},"v2":{"value":"dos"}}}`},
		"null marker": {text: `{"current":null,"versions":{"v1":{"value":"uno"}}}`},
		"missing": {text: `{"current":"v9","versions":{"v1":{"value":"uno"},"v2":{"value":"dos"}}}`,
			want: []string{"current_missing "}},
		"missing in compact": {text: "current=v9;v1=uno", want: []string{"current_missing "}},
		"empty marker":       {text: `{"current":"","versions":{"v1":{"value":"uno"}}}`},
		"last one expired too": {text: `{"current":"v9","versions":{"v1":{"value":"uno","expiresAt":"` + a + `"}}}`,
			want: []string{"current_missing ", "current_expired v1"}},

		"ends in over a week":    {text: ends + "}}", at: instant.Add(-7*day - 1)},
		"ends in a week":         {text: ends + "}}", at: instant.Add(-7 * day), want: []string{"expires_soon v2"}},
		"about to end":           {text: ends + "}}", at: instant.Add(-1), want: []string{"expires_soon v2"}},
		"ended":                  {text: ends + "}}", want: []string{"current_expired v2"}},
		"ended long ago":         {text: ends + "}}", at: instant.Add(1000 * day), want: []string{"current_expired v2"}},
		"ended, has a successor": {text: ends + `,"v3":{"value":"tres"}}}`, want: []string{"current_expired v2"}},
		"succeeded for ever":     {text: ends + `,"v3":{"value":"tres"}}}`, at: instant.Add(-1)},
		"succeeded": {text: ends + `,"v3":{"value":"tres","expiresAt":"2005-03-01T12:00:00.000000001Z"}}}`,
			at: instant.Add(-1)},
		"succeeded for no time": {text: ends + `,"v3":{"value":"tres","expiresAt":"` + a + `"}}}`, at: instant.Add(-1),
			want: []string{"expires_soon v2"}},
		"the other ends sooner": {text: ends + `,"v1":{"value":"uno","expiresAt":"2005-02-28T00:00:00Z"}}}`,
			at: instant.Add(-7 * day), want: []string{"expires_soon v2"}},
		"another one ended": {text: `{"current":"v2","versions":{"v1":{"value":"uno","expiresAt":"2001-01-01T00:00:00Z"},"v2":{"value":"dos"}}}`},

		"no rotation":       {text: began, at: instant.Add(5000 * day)},
		"active since ever": {text: "current=v1;v1=uno", rotation: anchored(7, time.Time{}), at: instant.Add(5000 * day)},
		"not yet overdue":   {text: began, rotation: anchored(90, time.Time{}), at: instant.Add(93*day - 1)},
		"overdue": {text: began, rotation: anchored(90, time.Time{}), at: instant.Add(93 * day),
			want: []string{"rotation_overdue v2"}},
		"the longest period": {text: began, rotation: anchored(36_500, time.Time{}), at: instant.Add(36_503*day - 1)},
		"the longest, overdue": {text: began, rotation: anchored(36_500, time.Time{}), at: instant.Add(36_503 * day),
			want: []string{"rotation_overdue v2"}},
		"before the anchor": {text: began, rotation: anchored(90, instant.Add(1)), at: instant.Add(3 * day)},
		"the anchor, overdue": {text: began, rotation: anchored(90, instant.Add(1)), at: instant.Add(3*day + 1),
			want: []string{"rotation_overdue v2"}},
		"at the anchor": {text: began, rotation: anchored(90, instant), at: instant.Add(93*day - 1)},
		"at the anchor, late": {text: began, rotation: anchored(90, instant), at: instant.Add(93 * day),
			want: []string{"rotation_overdue v2"}},
		"end of a slot": {text: began, rotation: anchored(90, instant.Add(1-90*day)), at: instant.Add(3 * day)},
		"end of a slot, late": {text: began, rotation: anchored(90, instant.Add(1-90*day)), at: instant.Add(3*day + 1),
			want: []string{"rotation_overdue v2"}},
		"begin of a slot": {text: began, rotation: anchored(90, instant.Add(-90*day)), at: instant.Add(93*day - 1)},
		"begin of a slot, late": {text: began, rotation: anchored(90, instant.Add(-90*day)), at: instant.Add(93 * day),
			want: []string{"rotation_overdue v2"}},
		"many slots on": {text: began, rotation: anchored(7, instant.Add(-701*day)), at: instant.Add(9*day - 1)},
		"many slots on, late": {text: began, rotation: anchored(7, instant.Add(-701*day)), at: instant.Add(9 * day),
			want: []string{"rotation_overdue v2"}},
		"active in 7000 years": {text: `{"current":"v2","versions":{"v2":{"value":"dos","activeFrom":"9000-01-01T00:00:00Z"}}}`, rotation: anchored(36_500, time.Unix(0, 0))},
		"expired and overdue": {text: `{"current":"v2","versions":{"v2":{"value":"dos","activeFrom":"2001-01-01T00:00:00Z","expiresAt":"` + a + `"}}}`,
			rotation: anchored(90, time.Time{}), want: []string{"current_expired v2", "rotation_overdue v2"}},
		"an older one is no matter": {text: `{"current":"v2","versions":{"v1":{"value":"uno","activeFrom":"2001-01-01T00:00:00Z"},"v2":{"value":"dos","activeFrom":"` + a + `"}}}`,
			rotation: anchored(90, time.Time{})},

		"space in front":   {text: " uno", want: []string{"white_space "}},
		"newline behind":   {text: "uno\n", want: []string{"white_space "}},
		"return behind":    {text: "uno\r", want: []string{"white_space "}},
		"space in between": {text: "uno dos\ttres"},
		"JSON with space":  {text: " " + `{"versions":{"v1":{"value":" uno "}}}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, warningsAt(t, secret.Options{Rotation: c.rotation}, c.text, c.at, instant))
		})
	}
	for name, o := range plain {
		t.Run("tab behind, "+name, func(t *testing.T) {
			require.Equal(t, []string{"white_space "}, warningsAt(t, o, "uno\t", instant, instant))
		})
	}
	t.Run("pinned plain", func(t *testing.T) {
		require.Empty(t, warningsAt(t, plain["pinned"], "current=v9;v1=uno", instant, instant))
	})
}

// warningsAt returns the warnings of a text at an instant, which must come with
// a sentence and no value, and call for a person unless they are about white
// space.
func warningsAt(t *testing.T, o secret.Options, text string, at, otherwise time.Time) (codes []string) {
	t.Helper()
	if at.IsZero() {
		at = otherwise
	}
	synctest.Test(t, func(t *testing.T) {
		for time.Now().Before(at) {
			time.Sleep(time.Until(at))
		}
		o.Name, o.Store = "key", secret.NewMemory(map[string]string{"$SECRET.default.key": text})
		app := secret.NewApp(secret.AppOptions{Refresh: -1, Logger: slog.New(slog.DiscardHandler)}).Use(secret.Static(o))
		require.NoError(t, app.Start(context.Background()))
		defer app.Close()
		status := app.Status()
		needsPerson := false
		for _, w := range status.Secrets[0].Warnings {
			require.NotEmpty(t, w.Message)
			for _, value := range []string{"uno", "dos", "tres"} {
				require.NotContains(t, w.Message, value)
			}
			codes = append(codes, w.Code+" "+w.Version)
			needsPerson = needsPerson || w.Code != secret.WarnWhiteSpace
		}
		require.Equal(t, needsPerson, status.Secrets[0].NeedsPerson)
		require.Equal(t, !needsPerson, status.OK)
	})
	return codes
}
