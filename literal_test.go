package secret_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
)

func TestLiteralReadsItsText(t *testing.T) {
	s := secret.Literal("hunter2\n")
	require.NoError(t, s.Err())
	requireRead(t, "hunter2\n", s)
	require.Equal(t, secret.KindStatic, s.Kind())
	require.Zero(t, s.Address())
	require.Empty(t, s.Binding())
	require.NoError(t, s.Refresh(context.Background()))
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = s.Current().Text() }))
	key, err := s.Current().Bytes()
	require.NoError(t, err)
	require.Equal(t, "hunter2\n", string(key))

	versions := secret.Literal(`{"current":"v2","versions":{"v1":{"value":"old"},"v2":{"value":"new"}}}`)
	requireRead(t, "new", versions)
	old, err := versions.Version("v1").Text()
	require.NoError(t, err)
	require.Equal(t, "old", old)
	at, err := versions.At(time.Now()).Text()
	require.NoError(t, err)
	require.Equal(t, "new", at)
	active, err := versions.Active()
	require.NoError(t, err)
	require.Len(t, active, 2)
	_, err = versions.Version("v3").Text()
	require.ErrorIs(t, err, secret.ErrVersionNotFound)
	require.NotContains(t, err.Error(), "$SECRET", "it has no address")
}

func TestLiteralOfABadText(t *testing.T) {
	for text, want := range map[string]error{
		"":                               secret.ErrEmpty,
		" \n":                            secret.ErrEmpty,
		`{"current":"v1","versions":{`:   secret.ErrMalformed,
		"current=v1;v1":                  secret.ErrMalformed,
		strings.Repeat("a", (1<<20)+100): secret.ErrTooLarge,
	} {
		s := secret.Literal(text)
		require.ErrorIs(t, s.Err(), want)
		_, read := s.Current().Text()
		_, active := s.Active()
		for _, err := range []error{read, active, s.Refresh(context.Background())} {
			require.Equal(t, s.Err(), err)
		}
		app := secret.NewApp(secret.AppOptions{Refresh: -1, Logger: silence}).Use(s)
		err := app.Start(context.Background())
		require.ErrorIs(t, err, want)
		require.ErrorContains(t, err, "(Literal)")
		require.ErrorContains(t, err, "; correct its text")
	}
}

// TestAppLeavesALiteralOut: there is nothing to load, to report or to publish.
func TestAppLeavesALiteralOut(t *testing.T) {
	a, b, other := secret.Literal("one"), secret.Literal("two"), static("key")
	for range 2 {
		app := secret.NewApp(secret.AppOptions{Store: oneSecret("x"), Refresh: -1, Logger: silence}).Use(a, b)
		requireStart(t, app) // two Apps may have it
		requireRead(t, "one", a)
		requireRead(t, "two", b)
		require.Empty(t, app.Spec().Secrets)
		require.Empty(t, app.Status().Secrets)
		require.True(t, app.Status().OK)
		require.NoError(t, app.Refresh(context.Background()))
	}
	app := secret.NewApp(secret.AppOptions{Refresh: -1, Logger: silence}).Use(a, other, secret.Literal(""))
	require.ErrorContains(t, app.Start(context.Background()), "2 problems")
	require.Len(t, app.Spec().Secrets, 1)
}

func TestLiteralHasNoStore(t *testing.T) {
	s := secret.Literal("one").With(oneSecret("two"))
	require.ErrorIs(t, s.Err(), secret.ErrInvalid)
	_, err := s.Current().Text()
	require.ErrorContains(t, err, "a Literal has no address")
	require.ErrorIs(t, secret.Literal("").With(nil).Err(), secret.ErrInvalid)
}

func TestLiteralShowsNoValue(t *testing.T) {
	const mark = "Zq8vLw3nXr6tKp1sYb5m"
	s := secret.Literal(mark)
	for _, v := range []any{s, *secret.Literal(mark), struct{ s *secret.Secret }{s}, s.Current(),
		secret.Literal(`{"current":"v1","versions":{"` + mark).Err(), s.With(nil)} {
		require.Empty(t, redacttest.Check(v, mark))
	}
}
