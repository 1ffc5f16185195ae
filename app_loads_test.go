package secret_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// slowStore answers after a second. It fails with err, if set.
type slowStore struct {
	secret.Store
	err error
}

func (s *slowStore) Get(ctx context.Context, addr secret.Address) (string, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if s.err != nil {
		return "", s.err
	}
	return s.Store.Get(ctx, addr)
}

// TestStatusCountsLoads: each load that has ended counts once, with its
// duration: loads of Start, Refresh, rounds and reads.
func TestStatusCountsLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := secret.NewMemory(map[string]string{"$SECRET.default.key": "first-value-of-33-bytes"})
		store := &slowStore{Store: m}
		s := secret.Static(secret.Options{Name: "key"})
		app := secret.NewApp(secret.AppOptions{Store: store, Logger: quietApp}).Use(s)
		defer app.Close()
		requireLoads := func(loads, failed uint64, seconds int, when string) {
			t.Helper()
			one := app.Status().Secrets[0]
			require.Equal(t, loads, one.Loads, when)
			require.Equal(t, failed, one.FailedLoads, when)
			require.Equal(t, time.Duration(seconds)*time.Second, one.LoadTime, when)
		}
		requireLoads(0, 0, 0, "before Start")

		reads := make(chan error, 2)
		for range cap(reads) {
			go func() { _, err := s.Current().Get(t.Context()); reads <- err }()
		}
		synctest.Wait()
		requireLoads(0, 0, 0, "a load under way has not ended")
		require.NoError(t, errors.Join(<-reads, <-reads))
		requireLoads(1, 0, 1, "two reads share a load")

		require.NoError(t, app.Start(t.Context()))
		requireLoads(2, 0, 2, "Start")
		_, err := s.Current().Text()
		require.NoError(t, err)
		requireLoads(2, 0, 2, "a warm read is no load")

		store.err = errors.New("no route")
		require.Error(t, app.Refresh(t.Context()))
		requireLoads(3, 1, 3, "a failure")
		store.err = nil
		m.Set("$SECRET.default.key", "current=v1")
		require.Error(t, s.Refresh(t.Context()))
		requireLoads(4, 2, 4, "malformed")
		m.Set("$SECRET.default.key", "current=v9;v1=first-value-of-33-bytes")
		require.Error(t, s.Refresh(t.Context()))
		requireLoads(5, 3, 5, "a document that is not kept")

		m.Set("$SECRET.default.key", "second-value-of-33-bytes")
		time.Sleep(10 * time.Minute) // the App loads it in the background
		one := app.Status().Secrets[0]
		require.Greater(t, one.Loads, uint64(9))
		require.EqualValues(t, 3, one.FailedLoads)
		require.Equal(t, time.Duration(one.Loads)*time.Second, one.LoadTime)

		data, err := json.Marshal(one)
		require.NoError(t, err)
		var back secret.SecretStatus
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, one, back)

		require.NoError(t, app.Close())
		synctest.Wait()
		closed := app.Status().Secrets[0]
		time.Sleep(time.Hour)
		require.Equal(t, closed.Loads, app.Status().Secrets[0].Loads, "a closed App loads nothing")
	})
}

// TestStatusCountsWhatStartRefuses: a document that was loaded and is not good
// is a failed load.
func TestStatusCountsWhatStartRefuses(t *testing.T) {
	m := secret.NewMemory(map[string]string{"$SECRET.default.key": "current=v1;v1=short"})
	s := secret.Random(secret.Options{Name: "key", Bytes: 23, Encoding: secret.EncodingRaw})
	app := secret.NewApp(secret.AppOptions{Store: m, Refresh: -1, Logger: quietApp}).Use(s)
	defer app.Close()
	requireLoads := func(loads, failed uint64) {
		t.Helper()
		one := app.Status().Secrets[0]
		require.Equal(t, loads, one.Loads)
		require.Equal(t, failed, one.FailedLoads)
	}
	require.ErrorIs(t, app.Start(t.Context()), secret.ErrEncoding)
	requireLoads(1, 1)
	m.Set("$SECRET.default.key", "current=v1;v1=first-value-of-33-bytes")
	require.NoError(t, s.Refresh(t.Context()))
	requireLoads(2, 1)
	m.Set("$SECRET.default.key", "current=v9;v1=first-value-of-33-bytes")
	require.NoError(t, app.Start(t.Context()), "the document that was read before stays")
	requireLoads(3, 2)
	m.Fail(errors.New("no route"))
	require.Error(t, app.Refresh(t.Context()))
	requireLoads(4, 3)
}

// TestStatusRotationDue: three days before the warning, and absent where the
// policy or the start is unknown.
func TestStatusRotationDue(t *testing.T) {
	at := func(text string) time.Time {
		instant, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return instant
	}
	weekly := &secret.Rotation{EveryDays: 7}
	anchored := &secret.Rotation{EveryDays: 7, StartAt: at("1999-12-31T00:00:00Z")}
	for name, c := range map[string]struct {
		text     string
		rotation *secret.Rotation
		want     time.Time
	}{
		"no policy":     {"current=v1;v1=a;v1_active=1999-12-01T00:00:00Z", nil, time.Time{}},
		"no start":      {"current=v1;v1=a", weekly, time.Time{}},
		"start ahead":   {"current=v1;v1=a;v1_active=9999-12-31T00:00:00Z", weekly, time.Time{}},
		"due later":     {"current=v1;v1=a;v1_active=1999-12-30T00:00:00Z", weekly, at("2000-01-06T00:00:00Z")},
		"was due":       {"current=v1;v1=a;v1_active=1999-12-01T01:00:00+01:00", weekly, at("1999-12-08T00:00:00Z")},
		"anchor ahead":  {"current=v1;v1=a;v1_active=1999-12-01T00:00:00Z", anchored, at("1999-12-31T00:00:00Z")},
		"anchor passed": {"current=v1;v1=a;v1_active=1999-12-31T12:00:00Z", anchored, at("2000-01-07T00:00:00Z")},
		"at the anchor": {"current=v1;v1=a;v1_active=1999-12-31T00:00:00Z", anchored, at("2000-01-07T00:00:00Z")},
		"of the current version": {"current=v1;v1=a;v1_active=1999-12-30T00:00:00Z;v2=b;v2_active=2000-01-05T00:00:00Z",
			weekly, at("2000-01-06T00:00:00Z")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01T00:00:00Z
				app := secret.NewApp(secret.AppOptions{Refresh: -1, Logger: quietApp,
					Store: secret.NewMemory(map[string]string{"$SECRET.default.key": c.text}),
				}).Use(secret.Static(secret.Options{Name: "key", Rotation: c.rotation}))
				require.NoError(t, app.Start(t.Context()))
				defer app.Close()
				require.Equal(t, c.want, app.Status().Secrets[0].RotationDue)
			})
		})
	}
}
