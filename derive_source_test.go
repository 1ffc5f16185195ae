package secret_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestEachAppLogsAFaultOfADerivedValue once, also one that another App has
// logged before.
func TestEachAppLogsAFaultOfADerivedValue(t *testing.T) {
	p, a, b, j := newProbe(), static("a"), static("b"), new(join)
	p.set(a, "bad a1")
	p.set(b, "b1")
	d := secret.Derive(j.of, a, b)
	var common logged
	keeps := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: common.logger()}).Use(b)
	requireStart(t, keeps)
	for range 2 {
		var own logged
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: own.logger()}).Use(a)
		require.NoError(t, app.Start(context.Background()))
		for range 2 {
			require.ErrorIs(t, derivedFails(t, d), errBad)
		}
		require.Equal(t, []string{`level=ERROR msg="derived value cannot be computed" ` +
			`secrets="$SECRET.app.a, $SECRET.app.b" error="a half does not fit"`}, own.lines())
		require.NoError(t, app.Close())
	}
	require.Len(t, common.lines(), 1)
	p.set(a, "a2")
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: common.logger()}).Use(a)
	requireStart(t, app)
	requireDerived(t, "a2;b1;", d)
	require.Len(t, common.lines(), 1, "the App that has logged the fault logs its end")
}

// TestDerivedOfARemovedOptionalSecret: the value that reads return no more
// does not come back with a document for which f fails.
func TestDerivedOfARemovedOptionalSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, j, b := newProbe(), new(join), static("b")
		s := secret.Static(secret.Options{Namespace: "app", Name: "a", Optional: true})
		p.set(b, "b1")
		app := secret.NewApp(secret.AppOptions{Store: p, MaxStale: 5 * time.Minute, Logger: silence}).Use(s, b)
		requireStart(t, app)
		d := secret.Derive(j.of, s, b)
		require.ErrorIs(t, derivedFails(t, d), secret.ErrNotFound)
		require.True(t, app.Status().OK)
		for _, first := range []string{"a1", "a2"} {
			p.set(s, first)
			oneRefresh(t, app)
			requireDerived(t, first+";b1;", d)
			p.set(b, "bad b2")
			oneRefresh(t, app)
			requireDerived(t, first+";b1;", d)
			p.set(b, "b1")
			p.texts.Delete(s.Address().String())
			oneRefresh(t, app)
			requireDerived(t, first+";b1;", d)
			time.Sleep(7 * time.Minute)
			require.ErrorIs(t, derivedFails(t, d), secret.ErrNotFound)
			p.set(s, "bad a3")
			oneRefresh(t, app)
			require.ErrorIs(t, derivedFails(t, d), errBad)
			require.Len(t, derivedWarnings(app), 2)
		}
		p.set(s, "a2")
		oneRefresh(t, app)
		requireDerived(t, "a2;b1;", d)
		require.Empty(t, derivedWarnings(app))
		p.set(s, "bad a4")
		oneRefresh(t, app)
		requireDerived(t, "a2;b1;", d)
	})
}

// TestDerivedOfALiteral: it has no App and no address. With a secret of an App
// the last good value stays as usual.
func TestDerivedOfALiteral(t *testing.T) {
	p, s, j, literal := newProbe(), static("a"), new(join), secret.Literal("current=v1;v1=literal")
	p.set(s, "a1")
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s, literal)
	requireStart(t, app)
	d := secret.Derive(j.of, literal, s)
	require.Equal(t, "derived from a secret without an address, $SECRET.app.a", d.String())
	requireDerived(t, "literal;a1;", d)
	p.set(s, "bad a2")
	oneRefresh(t, app)
	requireDerived(t, "literal;a1;", d)
	require.Equal(t, map[string]string{"a": "v1 a value derived from it and a secret without an address " +
		"cannot be computed; the last good value stays in use"}, derivedWarnings(app))

	alone := secret.Derive(j.of, literal)
	requireDerived(t, "literal;", alone)
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = alone.Get(t.Context()) }))
	j.calls.Store(0)
	bad := secret.Derive(j.of, secret.Literal("bad"), literal)
	for range 2 {
		require.EqualError(t, derivedFails(t, bad), "secret: derive: with a secret without an address: a half does not fit")
	}
	require.EqualValues(t, 1, j.calls.Load())
	require.ErrorIs(t, derivedFails(t, secret.Derive(j.of, literal, secret.Literal(""))), secret.ErrEmpty)
	require.ErrorIs(t, derivedFails(t, secret.Derive(j.of, literal.With(p))), secret.ErrInvalid)
}
