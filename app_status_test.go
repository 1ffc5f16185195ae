package secret_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// values that stores hold in these tests; no status shows them.
var statusValues = []string{"first-value-of-33-bytes", "second-value-of-33-bytes", "sk_live_of-33-bytes"}

// requireNoValue looks for a value in a status, as JSON and under the verbs of
// fmt.
func requireNoValue(t *testing.T, st secret.Status) {
	t.Helper()
	data, err := json.Marshal(st)
	require.NoError(t, err)
	shown := fmt.Sprintf("%s %v %+v %#v", data, st, st, st)
	for _, value := range statusValues {
		require.NotContains(t, shown, value)
	}
}

var quietApp = slog.New(slog.DiscardHandler)

// TestStatusGolden: a status as JSON, byte for byte. Fake time begins in the
// year 2000.
func TestStatusGolden(t *testing.T) {
	json3 := `{"current":"v2","versions":{"v1":{"value":"first-value-of-33-bytes","expiresAt":"2001-01-01T00:00:00.5Z"},` +
		`"v2":{"value":"second-value-of-33-bytes","activeFrom":"1999-12-01T00:00:00+01:00"}}}`
	secrets := func() []*secret.Secret {
		return []*secret.Secret{
			secret.Generated(secret.Options{Namespace: "zoo", Name: "plain"}),
			secret.Random(secret.Options{Namespace: "auth", Name: "json", Encoding: secret.EncodingRaw, Bytes: 24}),
			secret.Static(secret.Options{Namespace: "auth", Name: "compact", Rotation: &secret.Rotation{EveryDays: 7}}),
		}
	}
	good := map[string]string{
		"$SECRET.zoo.plain": "sk_live_of-33-bytes\n",
		"$SECRET.auth.json": json3,
		"$SECRET.auth.compact": "current=v7;v1=first-value-of-33-bytes;v1_active=1999-12-01T00:00:00Z;v1_expires=" +
			"2000-01-05T00:00:00Z",
	}
	for name, run := range map[string]func(t *testing.T, m *secret.Memory, app *secret.App) secret.Status{
		"no-secrets": func(*testing.T, *secret.Memory, *secret.App) secret.Status {
			return secret.NewApp(secret.AppOptions{}).Status()
		},
		"before-start": func(_ *testing.T, _ *secret.Memory, app *secret.App) secret.Status { return app.Status() },
		"started": func(t *testing.T, _ *secret.Memory, app *secret.App) secret.Status {
			require.NoError(t, app.Start(t.Context()))
			time.Sleep(90 * time.Second)
			return app.Status()
		},
		"failing": func(t *testing.T, m *secret.Memory, app *secret.App) secret.Status {
			require.NoError(t, app.Start(t.Context()))
			time.Sleep(time.Minute)
			m.Delete("$SECRET.zoo.plain")
			m.Set("$SECRET.auth.json", strings.ReplaceAll(json3, "2001-01-01", "2001-13-01"))
			require.Error(t, app.Refresh(t.Context()))
			time.Sleep(time.Minute)
			return app.Status()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := secret.NewMemory(good)
				app := secret.NewApp(secret.AppOptions{Store: m, Refresh: -1, Logger: quietApp}).Use(secrets()...)
				st := run(t, m, app)
				requireGolden(t, st, "status", name+".json")
				requireNoValue(t, st)
				require.NoError(t, app.Close())

				data, err := json.Marshal(st)
				require.NoError(t, err)
				var back secret.Status
				require.NoError(t, json.Unmarshal(data, &back))
				require.Equal(t, st, back, "Go reads its own JSON")
			})
		})
	}
}

// TestStatusOfADocument: a status as Go values.
func TestStatusOfADocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := secret.Random(secret.Options{Namespace: "auth", Name: "key", Bytes: 23, Encoding: secret.EncodingRaw})
		app := secret.NewApp(secret.AppOptions{Refresh: -1, Store: secret.NewMemory(map[string]string{
			"$SECRET.auth.key": `{"current":"v1","versions":{"v1":{"value":"first-value-of-33-bytes"},` +
				`"v2":{"value":"second-value-of-33-bytes","activeFrom":"2000-02-01T00:00:00Z","expiresAt":"2000-03-01T00:00:00Z"}}}`,
		})}).Use(s)
		began := time.Now().UTC().Round(0)
		require.NoError(t, app.Start(t.Context()))
		defer app.Close()
		time.Sleep(time.Second)
		require.Equal(t, secret.Status{Time: began.Add(time.Second), OK: true, Secrets: []secret.SecretStatus{{
			Address: s.Address(), Binding: "LAYERON_SECRET_AUTH_KEY", Kind: secret.KindRandom, Format: secret.FormatJSON,
			Current: "v1",
			Versions: []secret.Life{{ID: "v1"}, {ID: "v2", ActiveFrom: time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC),
				ExpiresAt: time.Date(2000, 3, 1, 0, 0, 0, 0, time.UTC)}},
			LastSuccess: began, Loads: 1,
		}}}, app.Status())
	})
}

// TestStatusTransitions follows LastSuccess, LastError and StaleSince through
// failures and back.
func TestStatusTransitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const key = "$SECRET.default.key"
		m := secret.NewMemory(map[string]string{key: "first-value-of-33-bytes"})
		s := secret.Static(secret.Options{Name: "key"})
		app := secret.NewApp(secret.AppOptions{Refresh: -1, Store: m, Logger: quietApp}).Use(s)
		began := time.Now().UTC().Round(0)
		at := func(minutes int) time.Time { return began.Add(time.Duration(minutes) * time.Minute) }
		never := time.Time{}

		for i, step := range []struct {
			name                string
			do                  func() error
			success, staleSince time.Time
			says                string
			failing             bool
			current             string
		}{
			{"nothing yet", func() error { return nil }, never, never, "", true, ""},
			{"start", func() error { return app.Start(t.Context()) }, at(1), never, "", false, "v1"},
			{"time goes by", func() error { return nil }, at(1), never, "", false, "v1"},
			{"same text", func() error { return app.Refresh(t.Context()) }, at(3), never, "", false, "v1"},
			{"deleted", func() error { m.Delete(key); return app.Refresh(t.Context()) }, at(3), at(4),
				"not found: memory store, LAYERON_SECRET_DEFAULT_KEY is not set", false, "v1"},
			{"out of order", func() error { m.Fail(errors.New("no route")); return app.Refresh(t.Context()) }, at(3), at(4),
				"no route", false, "v1"},
			{"malformed", func() error {
				m.Fail(nil)
				m.Set(key, `{"current":"v1","versions":{"v1":{"value":"second-value-of-33-bytes"`)
				return s.Refresh(t.Context())
			}, at(3), at(4), "malformed: a JSON version document with a syntax error here; was it cut off?", false, "v1"},
			{"back", func() error { m.Set(key, "current=v2;v2=second-value-of-33-bytes"); return s.Refresh(t.Context()) }, at(7),
				never, "", false, "v2"},
			{"again", func() error { m.Delete(key); return app.Refresh(t.Context()) }, at(7), at(8), "not found", false, "v2"},
			{"closed", func() error { return app.Close() }, at(7), at(8), "not found", false, "v2"},
		} {
			if i > 0 {
				time.Sleep(time.Minute)
			}
			err := step.do()
			st := app.Status()
			require.Equal(t, at(i), st.Time, step.name)
			require.Len(t, st.Secrets, 1)
			one := st.Secrets[0]
			require.Equal(t, step.success, one.LastSuccess, step.name)
			require.Equal(t, step.staleSince, one.StaleSince, step.name)
			require.Equal(t, step.failing, one.Failing, step.name)
			require.Equal(t, step.current, one.Current, step.name)
			if step.says == "" {
				require.NoError(t, err, step.name)
				require.Empty(t, one.LastError, step.name)
			} else {
				require.Contains(t, one.LastError, "secret: load $SECRET.default.key", step.name)
				require.Contains(t, one.LastError, step.says, step.name)
			}
			requireNoValue(t, st)
		}
	})
}

// TestStatusNeedsPerson: a person is needed where waiting won't help, and OK
// says so for all secrets together.
func TestStatusNeedsPerson(t *testing.T) {
	const key, good = "$SECRET.default.key", "current=v1;v1=first-value-of-33-bytes"
	outage := errors.New("no route")
	type result struct{ failing, needsPerson bool }
	for name, c := range map[string]struct {
		options secret.AppOptions
		do      func(*secret.Memory)
		after   time.Duration
		want    result
	}{
		"all is well":       {do: func(*secret.Memory) {}, want: result{false, false}},
		"well for a year":   {do: func(*secret.Memory) {}, after: 365 * 24 * time.Hour, want: result{false, false}},
		"just out of reach": {do: func(m *secret.Memory) { m.Fail(outage) }, want: result{false, false}},
		"for under an hour": {do: func(m *secret.Memory) { m.Fail(outage) }, after: time.Hour - 1,
			want: result{false, false}},
		"for an hour": {do: func(m *secret.Memory) { m.Fail(outage) }, after: time.Hour, want: result{false, true}},
		"time-outs":   {do: func(m *secret.Memory) { m.Fail(context.DeadlineExceeded) }, want: result{false, false}},
		"not found":   {do: func(m *secret.Memory) { m.Delete(key) }, want: result{false, true}},
		"a store's not found": {do: func(m *secret.Memory) { m.Fail(fmt.Errorf("gone: %w", secret.ErrNotFound)) },
			want: result{false, true}},
		"empty":     {do: func(m *secret.Memory) { m.Set(key, " ") }, want: result{false, true}},
		"malformed": {do: func(m *secret.Memory) { m.Set(key, "current=v1") }, want: result{false, true}},
		"too large": {do: func(m *secret.Memory) { m.Set(key, strings.Repeat("x", 1<<20+1)) },
			want: result{false, true}},
		"another length": {do: func(m *secret.Memory) { m.Set(key, "current=v2;v2=short") }, want: result{false, true}},
		"white space": {do: func(m *secret.Memory) { m.Set(key, "first-value-of-33-bytex\n"[1:]) },
			want: result{false, false}},
		"no current": {do: func(m *secret.Memory) { m.Set(key, "current=v2;v1=first-value-of-33-bytes") },
			want: result{false, true}},
		"stale, within limit": {options: secret.AppOptions{MaxStale: time.Hour},
			do: func(m *secret.Memory) { m.Fail(outage) }, after: 58 * time.Minute, want: result{false, false}},
		"stale": {options: secret.AppOptions{MaxStale: 30 * time.Minute},
			do: func(m *secret.Memory) { m.Fail(outage) }, after: 31 * time.Minute, want: result{true, true}},
		"stale, not refreshed": {options: secret.AppOptions{MaxStale: 30 * time.Minute}, do: func(*secret.Memory) {},
			after: 31 * time.Minute, want: result{true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := secret.NewMemory(map[string]string{key: good})
				other := secret.NewMemory(map[string]string{"$SECRET.default.well": "x"})
				o := c.options
				o.Store, o.Logger, o.Refresh = m, quietApp, -1
				s := secret.Random(secret.Options{Name: "key", Bytes: 23, Encoding: secret.EncodingRaw})
				app := secret.NewApp(o).Use(s)
				if o.MaxStale == 0 {
					app.Use(secret.Static(secret.Options{Name: "well", Store: other}))
				}
				require.NoError(t, app.Start(t.Context()))
				defer app.Close()
				c.do(m)
				_ = app.Refresh(t.Context())
				time.Sleep(c.after)
				synctest.Wait()
				st := app.Status()
				require.Equal(t, c.want, result{st.Secrets[0].Failing, st.Secrets[0].NeedsPerson}, "%+v", st.Secrets[0])
				require.Equal(t, !c.want.needsPerson, st.OK)
				if o.MaxStale == 0 {
					require.False(t, st.Secrets[1].NeedsPerson, "the other one is well")
				}
				_, err := s.Current().Text()
				require.Equal(t, c.want.failing, err != nil, "Failing tells of the reads")
				requireNoValue(t, st)
			})
		})
	}
}

// TestStatusOfWrongDeclarations: Status reports the fault, before and after
// Start, and nothing panics.
func TestStatusOfWrongDeclarations(t *testing.T) {
	wrong := []*secret.Secret{
		nil, new(secret.Secret),
		secret.Static(secret.Options{Name: "NAME"}),
		secret.Random(secret.Options{Name: "a", Bytes: 1, Encoding: 9, Format: 9,
			Rotation: &secret.Rotation{Retain: secret.Retention{Mode: 9}}}),
	}
	app := secret.NewApp(secret.AppOptions{Store: secret.NewMemory(map[string]string{"$SECRET.default.a": "sk_live_of-33-bytes"}), Logger: quietApp}).Use(wrong...)
	for _, when := range []string{"before Start", "after a failed Start", "after Close"} {
		st := app.Status()
		require.False(t, st.OK, when)
		require.Len(t, st.Secrets, 3, "what no constructor made is one")
		for _, one := range st.Secrets {
			require.True(t, one.Failing, when)
			require.True(t, one.NeedsPerson, when)
			require.Contains(t, one.LastError, "invalid: ", when)
			require.Empty(t, one.Versions, when)
			require.Zero(t, one.StaleSince, when)
		}
		requireNoValue(t, st)
		switch when {
		case "before Start":
			require.Error(t, app.Start(t.Context()))
		case "after a failed Start":
			require.NoError(t, app.Close())
		}
	}
}

// TestStatusSorted: by address, for any order of Use.
func TestStatusSorted(t *testing.T) {
	app := secret.NewApp(secret.AppOptions{})
	for _, name := range []string{"c", "a-b", "b", "a"} {
		app.Use(secret.Static(secret.Options{Namespace: name, Name: "x"}))
	}
	var got []string
	for _, one := range app.Status().Secrets {
		got = append(got, one.Address.Namespace)
	}
	require.Equal(t, []string{"a-b", "a", "b", "c"}, got)
}

// TestStatusIsACopy: changing a Status does not change reads.
func TestStatusIsACopy(t *testing.T) {
	s := secret.Static(secret.Options{Name: "key"})
	app := secret.NewApp(secret.AppOptions{Refresh: -1,
		Store: secret.NewMemory(map[string]string{"$SECRET.default.key": "current=v1;v1=first-value-of-33-bytes"})}).Use(s)
	require.NoError(t, app.Start(t.Context()))
	defer app.Close()
	st := app.Status()
	st.Secrets[0].Versions[0].ID = "other"
	st.Secrets[0].Current = "other"
	v, err := s.Current().Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, "v1", v.ID)
	require.Equal(t, "v1", app.Status().Secrets[0].Versions[0].ID)
}

// TestNamesRoundTrip: constants in a status or a spec are words, and unknown
// ones are refused both ways.
func TestNamesRoundTrip(t *testing.T) {
	for _, c := range []struct {
		value, unknown any
		back           func(*bytes.Buffer) (any, error)
		word, allowed  string
	}{
		{secret.KindGenerated, secret.Kind(3), decodeName[secret.Kind], "generated", "static, random, generated"},
		{secret.FormatCompact, secret.Format(4), decodeName[secret.Format], "compact", "auto, plain, json, compact"},
		{secret.EncodingRaw, secret.Encoding(2), decodeName[secret.Encoding], "raw", "auto, raw"},
		{secret.RetainForever, secret.RetentionMode(3), decodeName[secret.RetentionMode], "retain_forever",
			"none, retain_for, retain_forever"},
	} {
		t.Run(c.word, func(t *testing.T) {
			data, err := json.Marshal(c.value)
			require.NoError(t, err)
			require.Equal(t, `"`+c.word+`"`, string(data))
			require.Equal(t, c.word, fmt.Sprint(c.value))
			back, err := c.back(bytes.NewBuffer(data))
			require.NoError(t, err)
			require.Equal(t, c.value, back)

			_, err = json.Marshal(c.unknown)
			require.ErrorIs(t, err, secret.ErrInvalid)
			require.Equal(t, "unknown", fmt.Sprint(c.unknown))
			_, err = c.back(bytes.NewBufferString(`"sk_live"`))
			require.ErrorIs(t, err, secret.ErrInvalid)
			require.Contains(t, err.Error(), "allowed is "+c.allowed)
			require.NotContains(t, err.Error(), "sk_live")
		})
	}
}

func decodeName[T any](b *bytes.Buffer) (any, error) {
	var v T
	err := json.Unmarshal(b.Bytes(), &v)
	return v, err
}

// TestStatusAfterAFailedStart: Status reports the reason why Start failed,
// until a Start succeeds.
func TestStatusAfterAFailedStart(t *testing.T) {
	m := secret.NewMemory(nil)
	s := secret.Static(secret.Options{Name: "key"})
	app := secret.NewApp(secret.AppOptions{Refresh: -1, Store: m}).Use(s)
	require.ErrorIs(t, app.Start(context.Background()), secret.ErrNotFound)
	st := app.Status().Secrets[0]
	require.True(t, st.Failing && st.NeedsPerson)
	require.Contains(t, st.LastError, "not found")
	require.False(t, st.StaleSince.IsZero())

	m.Set(s.Binding(), "one")
	require.NoError(t, app.Start(context.Background()))
	defer app.Close()
	st = app.Status().Secrets[0]
	require.False(t, st.Failing || st.NeedsPerson)
	require.Empty(t, st.LastError)
	require.True(t, st.StaleSince.IsZero())
}
