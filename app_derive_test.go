package secret_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/internal/swap"
)

// derivedWarnings returns the secrets with the warning, each with the version
// and the message.
func derivedWarnings(app *secret.App) map[string]string {
	found := map[string]string{}
	for _, one := range app.Status().Secrets {
		for _, w := range one.Warnings {
			if w.Code == secret.WarnDerived {
				found[one.Address.Name] += w.Version + " " + w.Message
			}
		}
	}
	return found
}

// TestDerivedKeepsItsLastGoodValue: logged once, and shown by Status until it
// works again.
func TestDerivedKeepsItsLastGoodValue(t *testing.T) {
	p, a, b, c, j, log := newProbe(), static("a"), static("b"), static("c"), new(join), new(logged)
	p.set(a, "a1")
	p.set(b, "b1")
	p.set(c, "c1")
	d := secret.Derive(j.of, a, b)
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: log.logger()}).Use(a, b, c)
	requireStart(t, app)
	require.Empty(t, derivedWarnings(app))
	require.Zero(t, j.calls.Load(), "Status computes no value that is not in use")
	requireDerived(t, "a1;b1;", d)
	require.Empty(t, log.lines())

	for i, bad := range []string{"bad b2", "bad b3"} { // a plain value is always v1
		p.set(b, bad)
		oneRefresh(t, app)
		for range 3 {
			requireDerived(t, "a1;b1;", d)
			require.Equal(t, map[string]string{
				"a": "v1 a value derived from it and $SECRET.app.b cannot be computed; the last good value stays in use",
				"b": "v1 a value derived from it and $SECRET.app.a cannot be computed; the last good value stays in use",
			}, derivedWarnings(app))
		}
		st := app.Status()
		require.False(t, st.OK)
		require.True(t, st.Secrets[0].NeedsPerson)
		require.False(t, st.Secrets[0].Failing)
		require.False(t, st.Secrets[2].NeedsPerson)
		require.EqualValues(t, i+2, j.calls.Load(), "the failure is remembered")
	}
	lines := strings.Join(log.lines(), "\n")
	const line = `level=WARN msg="derived value cannot be computed, the last good one stays in use" ` +
		`secrets="$SECRET.app.a, $SECRET.app.b" error="a half does not fit"`
	require.Equal(t, 1, strings.Count(lines, "derived value"), lines)
	require.Contains(t, lines, line)

	p.set(b, "b1")
	oneRefresh(t, app)
	require.Empty(t, derivedWarnings(app), "without a Get")
	require.True(t, app.Status().OK)
	requireDerived(t, "a1;b1;", d)
	require.EqualValues(t, 3, j.calls.Load(), "the last good documents are back")
	lines = strings.Join(log.lines(), "\n")
	require.Contains(t, lines,
		`level=INFO msg="derived value can be computed again" secrets="$SECRET.app.a, $SECRET.app.b"`)

	p.set(a, "bad a2")
	oneRefresh(t, app)
	require.Len(t, derivedWarnings(app), 2, "without a Get")
	p.set(a, "a3")
	oneRefresh(t, app)
	requireDerived(t, "a3;b1;", d)
	require.Empty(t, derivedWarnings(app))
}

// TestDerivedThatNeverWorked is an error of each Get, and in the log and the
// Status of the App.
func TestDerivedThatNeverWorked(t *testing.T) {
	p, a, j, log := newProbe(), static("a"), new(join), new(logged)
	p.set(a, "current=v7;v7=bad a1")
	d, twin, twice := secret.Derive(j.of, a), secret.Derive(j.of, a), secret.Derive(j.of, a, a)
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: log.logger()}).Use(a)
	requireStart(t, app)
	for range 2 {
		require.ErrorIs(t, derivedFails(t, d), errBad)
	}
	require.Equal(t, []string{
		`level=ERROR msg="derived value cannot be computed" secrets=$SECRET.app.a error="a half does not fit"`}, log.lines())
	want := map[string]string{"a": "v7 a value derived from it cannot be computed; reads of the value fail"}
	require.Equal(t, want, derivedWarnings(app))
	require.ErrorIs(t, derivedFails(t, twin), errBad)
	require.ErrorIs(t, derivedFails(t, twice), errBad)
	require.Equal(t, want, derivedWarnings(app), "the same warning once")
	p.set(a, "a2")
	oneRefresh(t, app)
	requireDerived(t, "a2;a2;", twice)
	require.Empty(t, derivedWarnings(app))
	runtime.KeepAlive([]any{d, twin})
}

// TestDerivedThatIsNoLongerUsed leaves the App.
func TestDerivedThatIsNoLongerUsed(t *testing.T) {
	p, a := newProbe(), static("a")
	p.set(a, "bad a1")
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(a)
	requireStart(t, app)
	func() { require.Error(t, derivedFails(t, secret.Derive(new(join).of, a))) }()
	for range 10 {
		runtime.GC()
	}
	require.Empty(t, derivedWarnings(app))
}

// TestDerivedFromSecretsOfSeveralApps: each App's current document, and each
// App logs a failure and shows it.
func TestDerivedFromSecretsOfSeveralApps(t *testing.T) {
	p, a, b, j := newProbe(), static("a"), static("b"), new(join)
	p.set(a, "a1")
	p.set(b, "b1")
	var logs [2]logged
	one := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: logs[0].logger()}).Use(a)
	two := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: logs[1].logger()}).Use(b)
	requireStart(t, one)
	requireStart(t, two)
	d := secret.Derive(j.of, a, b)
	requireDerived(t, "a1;b1;", d)
	p.set(b, "bad b2")
	oneRefresh(t, two)
	requireDerived(t, "a1;b1;", d)
	require.Len(t, derivedWarnings(one), 1)
	require.Len(t, derivedWarnings(two), 1)
	for i := range logs {
		require.Contains(t, strings.Join(logs[i].lines(), "\n"), "derived value cannot be computed, the last good one")
	}
	p.set(b, "b3")
	oneRefresh(t, two)
	p.set(a, "a3")
	oneRefresh(t, one)
	requireDerived(t, "a3;b3;", d)
	require.Empty(t, derivedWarnings(one))
	require.Empty(t, derivedWarnings(two))
}

// TestDerivedFromSecretsWithAndWithoutAnApp: the last value stays for a new
// document of the App, and not for one of the other secret.
func TestDerivedFromSecretsWithAndWithoutAnApp(t *testing.T) {
	p, a, j := newProbe(), static("a"), new(join)
	loose := static("loose").With(p)
	p.set(a, "a1")
	p.set(loose, "l1")
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(a)
	requireStart(t, app)
	d := secret.Derive(j.of, a, loose)
	requireDerived(t, "a1;l1;", d)
	p.set(a, "bad a2")
	oneRefresh(t, app)
	requireDerived(t, "a1;l1;", d)
	require.Equal(t, map[string]string{
		"a": "v1 a value derived from it and $SECRET.app.loose cannot be computed; the last good value stays in use",
	}, derivedWarnings(app))
	p.set(loose, "l2")
	require.ErrorIs(t, derivedFails(t, d), errBad, "what is stored now, or an error")
	p.set(a, "a3")
	oneRefresh(t, app)
	requireDerived(t, "a3;l2;", d)
	p.set(loose, "bad l3")
	require.ErrorIs(t, derivedFails(t, d), errBad)
	p.set(loose, "l2")
	requireDerived(t, "a3;l2;", d)
}

// TestDerivedBeforeStartAndAfterClose: as reads of the secrets. Another App
// begins without a last value.
func TestDerivedBeforeStartAndAfterClose(t *testing.T) {
	p, a, b, j, log := newProbe(), static("a"), static("b"), new(join), new(logged)
	p.set(a, "a1")
	p.set(b, "b1")
	d := secret.Derive(j.of, a, b)
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: log.logger()}).Use(a, b)
	requireDerived(t, "a1;b1;", d)
	requireDerived(t, "a1;b1;", d)
	require.Equal(t, 2, p.gets(), "the first read loads, and the App keeps the documents")
	p.set(b, "bad b2")
	require.NoError(t, app.Start(context.Background()))
	requireDerived(t, "a1;b1;", d)
	require.Len(t, derivedWarnings(app), 2)
	p.set(b, "b3")
	oneRefresh(t, app)
	requireDerived(t, "a1;b3;", d)
	require.NoError(t, app.Close())
	p.set(b, "b4")
	gets := p.gets()
	requireDerived(t, "a1;b3;", d)
	require.Equal(t, gets, p.gets())
	require.NoError(t, b.Refresh(context.Background()))
	requireDerived(t, "a1;b4;", d)

	p.set(b, "bad b5")
	log.lines()
	require.NoError(t, b.Refresh(context.Background()))
	requireDerived(t, "a1;b4;", d)
	require.Len(t, derivedWarnings(app), 2)
	require.NotContains(t, strings.Join(log.lines(), "\n"), "derived value", "the App is closed")
	again := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(a, b)
	require.Empty(t, derivedWarnings(again), "it holds no document yet")
	requireStart(t, again)
	require.ErrorIs(t, derivedFails(t, d), errBad)
	require.Len(t, derivedWarnings(again), 2)
	require.Empty(t, derivedWarnings(app), "the secrets are in another App now")
	p.set(b, "b6")
	oneRefresh(t, again)
	requireDerived(t, "a1;b6;", d)

	require.NoError(t, again.Close())
	third := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(a, b)
	requireStart(t, third)
	calls := j.calls.Load()
	requireDerived(t, "a1;b6;", d)
	require.Equal(t, calls, j.calls.Load(), "the same content")
	p.set(b, "bad b7")
	oneRefresh(t, third)
	requireDerived(t, "a1;b6;", d)
}

// TestDerivedOfAStaleSecretFails with the error of the secret, and works again
// with it.
func TestDerivedOfAStaleSecretFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a, b, j := newProbe(), static("a"), static("b"), new(join)
		p.set(a, "a1")
		p.set(b, "b1")
		app := secret.NewApp(secret.AppOptions{Store: p, MaxStale: 5 * time.Minute, Logger: silence}).Use(a, b)
		requireStart(t, app)
		d := secret.Derive(j.of, a, b)
		requireDerived(t, "a1;b1;", d)
		p.step(func(_ context.Context, addr secret.Address) error {
			if addr == b.Address() {
				return errRefused
			}
			return nil
		})
		time.Sleep(5*time.Minute - time.Second)
		requireDerived(t, "a1;b1;", d)
		time.Sleep(2 * time.Minute)
		_, want := b.Load(t.Context())
		require.ErrorIs(t, want, errRefused)
		require.Equal(t, want, derivedFails(t, d))
		require.Empty(t, derivedWarnings(app), "the function has not failed")
		p.step(nil)
		oneRefresh(t, app)
		requireDerived(t, "a1;b1;", d)
		require.EqualValues(t, 1, j.calls.Load())
	})
}

// TestDerivedOfExpiredDocumentsDoesNotStay: the last good value stays for new
// documents, and never longer than f accepts the documents that it is for.
func TestDerivedOfExpiredDocumentsDoesNotStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("a")
		in := func(hours int) string {
			return time.Now().Add(time.Duration(hours) * time.Hour).UTC().Format(time.RFC3339)
		}
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
		calls := 0
		d := secret.Derive(func(docs ...*secret.Document) (string, error) {
			calls++
			text := ""
			for _, v := range docs[0].Active(time.Now()) {
				if text += v.Text() + ";"; v.Text() == "bad" {
					return "", errBad
				}
			}
			if text == "" {
				return "", secret.ErrNotActive
			}
			return text, nil
		}, s)
		p.set(s, "current=v1;v1=one;v1_expires="+in(1)+";v2=two;v2_expires="+in(2))
		requireStart(t, app)
		requireDerived(t, "one;two;", d)
		p.set(s, "current=v1;v1=bad")
		oneRefresh(t, app)
		requireDerived(t, "one;two;", d)
		time.Sleep(time.Hour)
		requireDerived(t, "two;", d)
		calls = 0
		requireDerived(t, "two;", d)
		require.Zero(t, calls)
		require.Len(t, derivedWarnings(app), 1)
		time.Sleep(time.Hour)
		for range 2 {
			require.ErrorIs(t, derivedFails(t, d), errBad)
		}

		p.set(s, "current=v1;v1=three;v1_expires="+in(1))
		oneRefresh(t, app)
		requireDerived(t, "three;", d)
		time.Sleep(time.Hour)
		calls = 0
		for range 2 {
			require.ErrorIs(t, derivedFails(t, d), secret.ErrNotActive)
		}
		require.Equal(t, 1, calls)
		require.Equal(t, map[string]string{"a": "v1 a value derived from it cannot be computed; reads of the value fail"},
			derivedWarnings(app))
	})
}

// TestDerivedOfASwappedSecretIsSeenAtOnce: in a test, and no value is left
// behind.
func TestDerivedOfASwappedSecretIsSeenAtOnce(t *testing.T) {
	p, s, j := newProbe(), static("a"), new(join)
	p.set(s, "a1")
	d := secret.Derive(j.of, s)
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
	requireStart(t, app)
	requireDerived(t, "a1;", d)
	require.NoError(t, app.Close())

	memory := secret.NewMemory(map[string]string{"$SECRET.app.a": "swapped"})
	restore, err := swap.Secret(s, memory)
	require.NoError(t, err)
	requireDerived(t, "swapped;", d)
	memory.Set("$SECRET.app.a", "bad")
	require.ErrorIs(t, derivedFails(t, d), errBad)
	restore()
	require.ErrorIs(t, derivedFails(t, d), secret.ErrNotFound, "the closed App leaves nothing to the next test")
	restore, err = swap.Secret(s, memory)
	require.NoError(t, err)
	require.ErrorIs(t, derivedFails(t, d), errBad)
	requireStart(t, secret.NewApp(secret.AppOptions{Refresh: -1, Logger: silence}).Use(s))
	require.ErrorIs(t, derivedFails(t, d), errBad, "also in an App")
	restore()
}

// TestStatusDoesNotWaitForEver for a function that does not return.
func TestStatusDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, j := newProbe(), static("a"), new(join)
		p.set(s, "a1")
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Timeout: time.Minute, Logger: silence}).Use(s)
		requireStart(t, app)
		d := secret.Derive(j.of, s)
		requireDerived(t, "a1;", d)
		gate := make(chan struct{})
		j.step = func() { <-gate }
		p.set(s, "a2")
		oneRefresh(t, app)
		began := time.Now()
		require.True(t, app.Status().OK)
		require.Equal(t, time.Minute, time.Since(began))
		close(gate)
		requireDerived(t, "a2;", d)
	})
}

// TestDerivedLogShowsNoValue: the function's error is in the log, unless its
// text repeats a part of a value. Get returns it unchanged.
func TestDerivedLogShowsNoValue(t *testing.T) {
	const value = `Qz7kWv2mXt9RbLp4nHc8`
	const hidden = "not shown since its text repeats a part of a value"
	type quoting struct{ error }
	for name, c := range map[string]struct {
		value string
		fails func(text string) error
		want  string
	}{
		"harmless": {value, func(string) error { return errors.New("no such host") }, `error="no such host"`},
		"whole":    {value, func(text string) error { return errors.New("parse " + text) }, hidden},
		"a part":   {value, func(text string) error { return errors.New("parse " + text[3:11]) }, hidden},
		"less":     {value, func(text string) error { return errors.New("parse " + text[3:10]) }, `error="parse ` + value[3:10]},
		"its type": {value, func(text string) error { return quoting{errors.New(text)} },
			"an error of type secret_test.quoting, " + hidden},
		"short":     {"4711", func(text string) error { return fmt.Errorf("parse %q", text) }, hidden},
		"by chance": {"4711", func(text string) error { return errors.New("port 47113") }, `error="port 47113"`},
		"an old one": {"current=v2;v1=" + value + ";v2=other", func(string) error { return errors.New(value) },
			hidden},
		"very long": {value, func(string) error { return errors.New(strings.Repeat("x", 1<<20)) }, "x…"},
		"one of ours": {"version not found", func(text string) error {
			doc, _ := secret.Parse(text)
			_, err := doc.Version("v9")
			return err
		}, `version not found"`},
	} {
		t.Run(name, func(t *testing.T) {
			p, s, log := newProbe(), static("a"), new(logged)
			p.set(s, c.value)
			app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: log.logger()}).Use(s)
			requireStart(t, app)
			var failed error
			d := secret.Derive(func(docs ...*secret.Document) (string, error) {
				failed = c.fails(docs[0].Current().Text())
				return "", failed
			}, s)
			err := derivedFails(t, d)
			require.ErrorIs(t, err, failed)
			require.ErrorContains(t, err, failed.Error())
			line := strings.Join(log.lines(), "\n")
			require.Contains(t, line, c.want)
			require.Less(t, len(line), 5000)
			require.Empty(t, redacttest.Find(line, value))
			status, err := json.Marshal(app.Status())
			require.NoError(t, err)
			require.NotContains(t, string(status), failed.Error())
		})
	}
}

// TestDerivedShowsNoValue under any verb, also in a field where fmt calls no
// method.
func TestDerivedShowsNoValue(t *testing.T) {
	type credentials struct{ User, Password string }
	p, a, b := newProbe(), static("a"), static("b")
	p.set(a, plainMark)
	p.set(b, markedJSON)
	d := secret.Derive(func(docs ...*secret.Document) (*credentials, error) {
		return &credentials{docs[0].Current().Text(), docs[1].Current().Text()}, nil
	}, a, b)
	text := secret.Derive(func(docs ...*secret.Document) (string, error) { return docs[0].Current().Text(), nil }, a)
	requireStart(t, secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(a, b))
	got, err := d.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, credentials{plainMark, newMark}, *got)
	requireDerived(t, plainMark, text)
	require.Equal(t, "derived from $SECRET.app.a, $SECRET.app.b", fmt.Sprintf("%+v", d))
	type holder struct {
		D    *secret.Derived[*credentials]
		own  *secret.Derived[string]
		copy *secret.Derived[*credentials]
	}
	h := holder{d, text, d}
	for name, v := range map[string]any{"Derived": d, "of a string": text, "holder": h, "pointer": &h,
		"slice": []any{d, text}, "map": map[string]any{"d": d}} {
		requireSilent(t, name, v)
	}
}

// readingHandler is a Logger that needs the derived value to send a record.
type readingHandler struct {
	slog.Handler
	read func(context.Context)
}

func (h readingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h readingHandler) Handle(ctx context.Context, _ slog.Record) error {
	h.read(ctx)
	return nil
}

func TestLoggerMayReadTheDerivedValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, j := newProbe(), static("a"), new(join)
		p.set(s, "a1")
		d := secret.Derive(j.of, s)
		var app *secret.App
		app = secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: slog.New(readingHandler{
			read: func(ctx context.Context) {
				_, _ = d.Get(ctx)
				app.Status()
			}})}).Use(s)
		requireStart(t, app)
		requireDerived(t, "a1;", d)
		p.set(s, "bad")
		oneRefresh(t, app)
		began := time.Now()
		requireDerived(t, "a1;", d)
		require.Zero(t, time.Since(began))
	})
}
