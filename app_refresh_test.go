package secret_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestRoundsAreJittered: every minute, give or take 10 %, and not all alike.
func TestRoundsAreJittered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, "one")
		var times []time.Time
		p.before = func(context.Context, secret.Address) error { times = append(times, time.Now()); return nil }
		requireStart(t, secret.NewApp(secret.AppOptions{Store: p}).Use(s))
		time.Sleep(200 * time.Minute)
		synctest.Wait()
		var gaps []time.Duration
		for i := range len(times) - 1 {
			gaps = append(gaps, times[i+1].Sub(times[i]))
		}
		require.InDelta(t, 200, len(gaps), 5)
		require.GreaterOrEqual(t, slices.Min(gaps), 54*time.Second)
		require.LessOrEqual(t, slices.Max(gaps), 66*time.Second)
		require.Greater(t, slices.Max(gaps)-slices.Min(gaps), 8*time.Second)
	})
}

// TestNegativeRefreshIsNever: and then a change is not followed either.
func TestNegativeRefreshIsNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := secret.NewMemory(map[string]string{"$SECRET.app.key": "one"}), static("key")
		requireStart(t, secret.NewApp(secret.AppOptions{Store: m, Refresh: -1}).Use(s))
		m.Set("$SECRET.app.key", "two")
		time.Sleep(24 * time.Hour)
		requireRead(t, "one", s)
	})
}

// TestFailingSecretBacksOff: a failing secret is loaded less and less often but
// at least every fifth round, while the others are loaded every time. It keeps
// its document; a change of its state is logged once.
func TestFailingSecretBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, good, bad := newProbe(), static("good"), static("bad")
		p.set(good, marker+"0")
		p.set(bad, marker)
		var log logged
		app := secret.NewApp(secret.AppOptions{Store: p, Logger: log.logger()}).Use(bad, good)
		requireStart(t, app)
		require.Empty(t, log.lines())
		p.step(func(_ context.Context, addr secret.Address) error {
			if addr == bad.Address() {
				return errRefused
			}
			return nil
		})
		var asked []int // in which rounds; a round has passed when the good one has been asked for
		for round := 1; round <= 600; round++ {
			before, rounds := p.gets(bad), p.gets(good)
			for p.gets(good) == rounds {
				time.Sleep(time.Second)
			}
			synctest.Wait()
			if p.gets(bad) > before {
				asked = append(asked, round)
			}
			if round%50 == 0 {
				p.set(good, marker+strconv.Itoa(round))
				time.Sleep(67 * time.Second)
				requireRead(t, marker+strconv.Itoa(round), good)
			}
			requireRead(t, marker, bad)
		}
		require.Equal(t, []int{1, 2, 4, 8, 13, 18}, asked[:6])
		require.InDelta(t, 600/5, len(asked), 16, "the last rounds as the first")
		lines := log.lines()
		require.Equal(t, 1, strings.Count(strings.Join(lines, "\n"), "cannot be loaded"), lines)
		require.Equal(t,
			`level=WARN msg="secret cannot be loaded" address=$SECRET.app.bad kept=v1 error="secret: load $SECRET.app.bad: connection refused"`, lines[0])
		require.Contains(t, lines, `level=INFO msg="secret has a new value" address=$SECRET.app.good current=v1`)
		require.NotContains(t, strings.Join(lines, "\n"), marker)

		err := app.Refresh(context.Background())
		require.ErrorIs(t, err, errRefused)
		require.Equal(t, "secret: refresh: 1 problem with the App's 2 secrets; their last values stay:\n"+
			"  $SECRET.app.bad: connection refused; see whether the store can be reached", err.Error())

		p.step(nil)
		p.set(bad, "current=v2;v2="+marker+"-new")
		time.Sleep(6 * 67 * time.Second)
		requireRead(t, marker+"-new", bad)
		require.Equal(t, []string{
			`level=INFO msg="secret can be loaded again" address=$SECRET.app.bad current=v2`,
			`level=INFO msg="secret has a new current version" address=$SECRET.app.bad old=v1 new=v2`,
		}, log.lines())
		require.NoError(t, app.Refresh(context.Background()))
		before := p.gets(bad)
		time.Sleep(10 * 67 * time.Second)
		require.InDelta(t, 10, p.gets(bad)-before, 2, "every round again")
		p.step(func(context.Context, secret.Address) error { return errRefused })
		before = p.gets(bad)
		time.Sleep(2 * 67 * time.Second)
		require.Equal(t, 2, p.gets(bad)-before, "as after the first failures")
	})
}

// TestStateIsLoggedOnceAChange: a secret that fails in one way, then in
// another, then not.
func TestStateIsLoggedOnceAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, marker)
		var log logged
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: log.logger()}).Use(s)
		requireStart(t, app)
		for _, tc := range []struct {
			change func()
			says   string
		}{
			{func() { p.set(s, `{"versions":{"v1":{"value":"`+marker) }, "malformed"},
			{func() { p.set(s, " ") }, "empty"},
			{func() { p.texts.Delete("$SECRET.app.key") }, "not found"},
			{func() { p.step(func(context.Context, secret.Address) error { return errRefused }) }, "connection refused"},
			{func() { p.step(hang) }, ""}, // out of reach as before
			{func() { p.step(nil); p.set(s, marker) }, "loaded again"},
		} {
			tc.change()
			for range 3 {
				_ = app.Refresh(context.Background())
				requireRead(t, marker, s)
			}
			lines := log.lines()
			if tc.says == "" {
				require.Empty(t, lines)
				continue
			}
			require.Len(t, lines, 1)
			require.Contains(t, lines[0], tc.says)
			require.NotContains(t, lines[0], marker)
		}
	})
}

// TestHangingStoresHoldBackNobody: more than there are places hang, and the
// healthy one is behind them in the queue: at first for one timeout, from then
// on not at all. With stores that ignore their context too, which are waited
// for twice as long.
func TestHangingStoresHoldBackNobody(t *testing.T) {
	for name, tc := range map[string]struct {
		heeds bool
		first time.Duration
	}{"stores heed their context": {true, 10 * time.Second}, "stores ignore it": {false, 20 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, healthy := newProbe(), static("healthy")
				app := secret.NewApp(secret.AppOptions{Store: p, Logger: silence})
				for i := range 100 {
					s := static("hang-" + strconv.Itoa(i))
					p.set(s, "one")
					app.Use(s)
				}
				p.set(healthy, "one")
				app.Use(healthy)
				require.NoError(t, app.Start(context.Background()))
				gate := make(chan struct{})
				var mu sync.Mutex
				var asked []time.Time
				p.step(func(ctx context.Context, addr secret.Address) error {
					switch {
					case addr == healthy.Address():
						mu.Lock()
						defer mu.Unlock()
						asked = append(asked, time.Now())
						return nil
					case tc.heeds:
						return hang(ctx, addr)
					}
					<-gate
					return nil
				})
				began := time.Now()
				time.Sleep(30 * time.Minute)
				mu.Lock()
				last := began
				for i, at := range asked {
					limit := 66 * time.Second
					if i < 2 {
						limit += tc.first
					}
					require.LessOrEqual(t, at.Sub(last), limit)
					last = at
				}
				require.InDelta(t, 30, len(asked), 4)
				mu.Unlock()

				close(gate)
				p.step(nil)
				time.Sleep(6 * 67 * time.Second)
				require.NoError(t, app.Refresh(context.Background()))
				require.True(t, app.Status().OK)
				require.NoError(t, app.Close())
			})
		})
	}
}

// TestErrorsTellWhatTookLong: no bare "context deadline exceeded".
func TestErrorsTellWhatTookLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, "one")
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s)
		requireStart(t, app)
		brief := func() context.Context {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			t.Cleanup(cancel)
			return ctx
		}
		p.step(hang)
		for want, err := range map[string]error{
			"secret: load $SECRET.app.key: gave up waiting for the store: context deadline exceeded": s.Refresh(brief()),
			"secret: load $SECRET.app.key: no answer from the store within 10s":                      s.Refresh(context.Background()),
			"$SECRET.app.key: gave up waiting for the store: context deadline exceeded":              app.Refresh(brief()),
		} {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, want)
		}
		_, err := s.With(p).Load(brief())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "secret: load $SECRET.app.key: gave up waiting for the store: context deadline exceeded")
		time.Sleep(time.Minute) // the load that the last call left
		p.step(func(ctx context.Context, _ secret.Address) error {
			<-ctx.Done()
			return errors.Join(errors.New("dial tcp 10.0.0.7:443: i/o timeout"), ctx.Err())
		})
		require.ErrorContains(t, s.Refresh(context.Background()), "dial tcp 10.0.0.7:443: i/o timeout")
	})
}

// TestMaxStale: reads fail when the value could not be confirmed for so long,
// say why, and go on when it can.
func TestMaxStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, marker)
		var log logged
		app := secret.NewApp(secret.AppOptions{Store: p, MaxStale: 5 * time.Minute, Logger: log.logger()}).Use(s)
		requireStart(t, app)
		time.Sleep(time.Hour)
		requireRead(t, marker, s) // unchanged is confirmed
		p.step(func(context.Context, secret.Address) error { return errRefused })
		time.Sleep(3 * time.Minute)
		requireRead(t, marker, s)
		time.Sleep(4 * time.Minute)
		for _, read := range []func() error{
			func() error { _, err := s.Current().Text(); return err },
			func() error { _, err := s.Version("v1").Text(); return err },
			func() error { _, err := s.Load(context.Background()); return err },
			func() error { _, err := s.Active(); return err },
		} {
			err := read()
			require.ErrorIs(t, err, errRefused)
			require.ErrorContains(t, err, "secret: load $SECRET.app.key: not confirmed for over 5m0s (AppOptions.MaxStale): ")
			require.NotContains(t, err.Error(), marker)
		}
		require.True(t, app.Status().Secrets[0].Failing)
		time.Sleep(time.Hour)
		p.step(nil)
		time.Sleep(6 * 67 * time.Second)
		requireRead(t, marker, s)
		lines := log.lines()
		require.Len(t, lines, 3, lines)
		for i, says := range []string{"secret cannot be loaded", "secret is read no more", "secret can be loaded again"} {
			require.Contains(t, lines[i], says)
			require.NotContains(t, lines[i], marker)
		}
	})
}

// TestMaxStaleWithoutRefresh: only the program itself confirms values.
func TestMaxStaleWithoutRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, "one")
		var log logged
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, MaxStale: time.Minute, Logger: log.logger()}).Use(s)
		requireStart(t, app)
		time.Sleep(59 * time.Second)
		require.NoError(t, app.Refresh(context.Background()))
		time.Sleep(59 * time.Second)
		requireRead(t, "one", s)
		time.Sleep(2 * time.Second)
		_, err := s.Current().Text()
		require.ErrorContains(t, err, "not confirmed")
		require.NoError(t, s.Refresh(context.Background()))
		requireRead(t, "one", s)
		require.Len(t, log.lines(), 2)
	})
}

// TestMaxStaleOfWatched: a watched secret is polled rarely, but often enough
// for this.
func TestMaxStaleOfWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := secret.NewMemory(map[string]string{"$SECRET.app.key": "one"}), static("key")
		var log logged
		requireStart(t, secret.NewApp(secret.AppOptions{Store: m, MaxStale: 3 * time.Minute, Logger: log.logger()}).Use(s))
		for range 100 {
			time.Sleep(time.Minute)
			requireRead(t, "one", s)
		}
		require.Empty(t, log.lines())
	})
}

// TestMaxStaleBoundsWhatBecomesReadable without rounds: after an outage, and of a
// secret that was given to Use after Start.
func TestMaxStaleBoundsWhatBecomesReadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, late := newProbe(), static("key"), static("late")
		p.set(s, "one")
		p.set(late, "two")
		app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, MaxStale: 10 * time.Minute, Logger: silence}).Use(s)
		requireStart(t, app)
		defer app.Close()
		time.Sleep(11 * time.Minute)
		_, err := s.Current().Text()
		require.ErrorContains(t, err, "MaxStale")
		oneRefresh(t, app)
		app.Use(late)
		requireRead(t, "two", late)
		time.Sleep(9 * time.Minute)
		requireRead(t, "one", s)
		requireRead(t, "two", late)
		time.Sleep(2 * time.Minute)
		for _, s := range []*secret.Secret{s, late} {
			_, err = s.Current().Text()
			require.ErrorContains(t, err, "MaxStale")
		}
	})
}
