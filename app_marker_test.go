package secret_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// A compact text, the same cut off, and its successor. The cut one names v2 as
// current and does not hold it.
const (
	whole   = "current=v2;v1=" + marker + "1;v2=" + marker + "2"
	cutText = "current=v2;v1=" + marker + "1"
	next    = "current=v3;v2=" + marker + "2;v3=" + marker + "3"
)

// TestADocumentWithAMissingCurrentNeverReplacesAGoodOne: the refresh fails, is
// logged once, and Status shows it. The good document stays in every format.
func TestADocumentWithAMissingCurrentNeverReplacesAGoodOne(t *testing.T) {
	for name, good := range map[string]string{
		"compact":   whole,
		"no marker": "v1=" + marker + "1;v2=" + marker + "2",
		"JSON":      `{"current":"v2","versions":{"v2":{"value":"` + marker + `2"}}}`,
		"plain":     marker + "2",
	} {
		for bad, text := range map[string]string{
			"compact": cutText,
			"JSON":    `{"current":"v2","versions":{"v1":{"value":"` + marker + `1"}}}`,
		} {
			t.Run(name+", then "+bad, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, s := newProbe(), static("key")
					p.set(s, good)
					var log logged
					app := secret.NewApp(secret.AppOptions{Store: placedProbe{p}, Refresh: -1, Logger: log.logger()}).Use(s)
					requireStart(t, app)
					var changes []secret.Change
					app.OnChange(func(c secret.Change) { changes = append(changes, c) })
					p.set(s, text)
					for range 3 {
						time.Sleep(time.Minute)
						err := s.Refresh(t.Context())
						require.ErrorIs(t, err, secret.ErrMalformed)
						require.EqualError(t, err, "secret: load $SECRET.app.key from shelf app/key, current: malformed: "+
							"names no version; was the text cut off? The last good document stays")
						require.ErrorContains(t, app.Refresh(t.Context()),
							"$SECRET.app.key from shelf app/key, current: malformed: names no version; "+
								"was the text cut off? The last good document stays; store it again, whole")
						requireRead(t, marker+"2", s)
					}
					lines := log.lines()
					require.Len(t, lines, 1)
					require.Contains(t, lines[0], `msg="secret cannot be loaded" address=$SECRET.app.key`)
					require.NotContains(t, lines[0], marker)

					status := app.Status()
					require.False(t, status.OK)
					one := status.Secrets[0]
					require.True(t, one.NeedsPerson)
					require.False(t, one.Failing)
					require.Contains(t, one.LastError, "current: malformed: names no version")
					require.Equal(t, status.Time.Add(-3*time.Minute), one.LastSuccess)
					require.Equal(t, status.Time.Add(-2*time.Minute), one.StaleSince)
					require.Empty(t, one.Warnings, "the document that is read has none")

					p.set(s, next)
					require.NoError(t, s.Refresh(t.Context()))
					requireRead(t, marker+"3", s)
					require.True(t, app.Status().OK)
					require.Contains(t, log.lines()[0], "secret can be loaded again")
					synctest.Wait()
					require.Len(t, changes, 1, "the refused document is no change")
				})
			})
		}
	}
}

// TestADocumentWithAMissingCurrentIsReadAtStart: with the warning. A refresh
// may replace it, by one of its kind too; once there is a good one, that stays.
func TestADocumentWithAMissingCurrentIsReadAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, cutText)
		var log logged
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: log.logger()}).Use(s)
		requireStart(t, app)
		requireRead(t, marker+"1", s)
		require.Equal(t, secret.WarnCurrentMissing, app.Status().Secrets[0].Warnings[0].Code)
		require.Empty(t, app.Status().Secrets[0].LastError)
		require.Len(t, log.lines(), 1)

		p.set(s, "current=v9;v1="+marker+"1;v2="+marker+"2")
		require.NoError(t, s.Refresh(t.Context()), "no worse than the one before")
		requireRead(t, marker+"2", s)

		p.set(s, next)
		require.NoError(t, s.Refresh(t.Context()))
		requireRead(t, marker+"3", s)
		require.True(t, app.Status().OK)

		p.set(s, cutText)
		require.ErrorIs(t, s.Refresh(t.Context()), secret.ErrMalformed)
		requireRead(t, marker+"3", s)
		require.False(t, app.Status().OK)
	})
}

// TestStartKeepsAGoodDocumentOfAnEarlierRead: Start succeeds, and reports as a
// failed refresh the document that it found.
func TestStartKeepsAGoodDocumentOfAnEarlierRead(t *testing.T) {
	p, s := newProbe(), static("key")
	p.set(s, whole)
	var log logged
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: log.logger()}).Use(s)
	requireRead(t, marker+"2", s)
	p.set(s, cutText)
	requireStart(t, app)
	requireRead(t, marker+"2", s)
	require.Contains(t, app.Status().Secrets[0].LastError, "current: malformed: names no version")
	require.Len(t, log.lines(), 1)
}

// TestABackgroundRefreshKeepsTheGoodDocument: rounds and hints, and MaxStale
// still ends the reads.
func TestABackgroundRefreshKeepsTheGoodDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newTelling(), static("key")
		w.set(s, whole)
		var log logged
		app := secret.NewApp(secret.AppOptions{Store: w, MaxStale: time.Hour, Logger: log.logger()}).Use(s)
		requireStart(t, app)
		w.set(s, cutText)
		time.Sleep(59 * time.Minute)
		requireRead(t, marker+"2", s)
		require.Len(t, log.lines(), 1)
		time.Sleep(2 * time.Minute)
		_, err := s.Current().Text()
		require.ErrorIs(t, err, secret.ErrMalformed)
		require.ErrorContains(t, err, "not confirmed for over 1h0m0s")
		time.Sleep(time.Hour)
		_, err = s.Current().Text()
		require.ErrorIs(t, err, secret.ErrMalformed, "a stale document is not replaced either")
		w.set(s, next)
		time.Sleep(6 * time.Minute)
		requireRead(t, marker+"3", s)
	})
}

// TestWithoutAnAppAMissingCurrentIsRead: every read asks the store, so there is
// no document to keep.
func TestWithoutAnAppAMissingCurrentIsRead(t *testing.T) {
	m := secret.NewMemory(map[string]string{"$SECRET.app.key": whole})
	s := static("key").With(m)
	requireRead(t, marker+"2", s)
	m.Set("$SECRET.app.key", cutText)
	requireRead(t, marker+"1", s)
	require.NoError(t, s.Refresh(context.Background()))
}
