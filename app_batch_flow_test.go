package secret_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// held returns an answer that waits until the gate is closed, and then returns
// the texts of m.
func held(m *many, gate <-chan struct{}) func(context.Context,
	[]secret.Address) (map[secret.Address]string, error) {
	return func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
		<-gate
		return m.present(context.WithoutCancel(ctx), addrs)
	}
}

// TestHintsOfABatch: one change, and a few, are loaded by Get. Many are loaded by
// one GetAll, at one random moment within a second.
func TestHintsOfABatch(t *testing.T) {
	for _, tc := range []struct{ secrets, changes, gets int }{
		{1, 1, 1}, {2, 1, 1}, {2, 2, 0}, {8, 3, 3}, {8, 4, 0}, {100, 4, 4}, {100, 5, 0}, {1000, 10, 10}, {1000, 11, 0},
		{1000, 1000, 0},
	} {
		t.Run(strconv.Itoa(tc.changes)+" of "+strconv.Itoa(tc.secrets), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMany()
				secrets := m.declared(tc.secrets)
				requireStart(t, secret.NewApp(secret.AppOptions{Store: watched{m}, Logger: silence}).Use(secrets...))
				time.Sleep(2 * time.Second) // the first hints, one for each secret
				gets := m.gets()
				require.Equal(t, 2, len(m.asked())+gets, "Start and the first hints")
				moments := map[time.Duration]bool{}
				for round := range 8 {
					began, text := time.Now(), strconv.Itoa(round)
					var followed time.Time
					for _, s := range secrets[:tc.changes] {
						m.set(s, text)
					}
					for time.Since(began) < 1100*time.Millisecond {
						if v, err := secrets[0].Current().Text(); err == nil && v == text && followed.IsZero() {
							followed = time.Now()
						}
						time.Sleep(10 * time.Millisecond)
					}
					require.False(t, followed.IsZero(), "it is followed within a second")
					moments[followed.Sub(began)/(100*time.Millisecond)] = true
					for _, s := range secrets[:tc.changes] {
						requireRead(t, text, s)
					}
				}
				if tc.gets > 0 {
					require.Empty(t, m.asked())
					require.Equal(t, gets+8*tc.gets, m.gets())
				} else {
					require.Len(t, m.asked(), 8, "one GetAll each")
					require.Equal(t, gets, m.gets())
				}
				require.Greater(t, len(moments), 1, "replicas do not ask together")
			})
		})
	}
}

// TestFailedHintsOfABatchAreRepeated: together.
func TestFailedHintsOfABatchAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(50)
		requireStart(t, secret.NewApp(secret.AppOptions{Store: watched{m}, Logger: silence}).Use(secrets...))
		time.Sleep(2 * time.Second)
		m.asked()
		fails := 2
		m.answers(func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
			if fails--; fails >= 0 {
				return nil, errRefused
			}
			return m.present(ctx, addrs)
		})
		for _, s := range secrets {
			m.set(s, "two")
		}
		time.Sleep(10 * time.Second)
		require.Equal(t, []int{50, 50, 50}, m.asked())
		requireRead(t, "two", secrets[49])
		require.Zero(t, m.gets())
	})
}

// TestReadsShareABatch: a read joins the request under way. A refresh waits for
// its end, and another refresh shares its load.
func TestReadsShareABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(3)
		gate := make(chan struct{})
		m.answers(held(m, gate))
		app := secret.NewApp(secret.AppOptions{Store: m, Logger: silence}).Use(secrets...)
		done := make(chan error, 9)
		go func() { done <- app.Refresh(t.Context()) }()
		synctest.Wait()
		for range 2 {
			go func() { _, err := secrets[0].Current().Text(); done <- err }()
			go func() { done <- secrets[1].Refresh(t.Context()) }()
			go func() { done <- app.Refresh(t.Context()) }()
		}
		left, leave := context.WithCancel(t.Context())
		leave()
		require.ErrorIs(t, app.Refresh(left), context.Canceled)
		go func() { done <- app.Start(t.Context()) }()
		synctest.Wait()
		require.Empty(t, done)
		close(gate)
		for range 8 {
			require.NoError(t, <-done)
		}
		require.Len(t, m.asked(), 2, "Start makes a request of its own")
		require.Zero(t, m.gets())
		require.NoError(t, app.Close())
	})
}

// TestRefreshOfABatchTrustsNoEarlierLook: a request that is under way may have
// found older texts.
func TestRefreshOfABatchTrustsNoEarlierLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(3)
		app := secret.NewApp(secret.AppOptions{Store: m, Logger: silence}).Use(secrets...)
		requireStart(t, app)
		gate := make(chan struct{})
		m.answers(func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
			found, err := m.present(ctx, addrs)
			<-gate // old by then
			return found, err
		})
		time.Sleep(67 * time.Second) // a round begins
		m.answers(m.present)
		m.set(secrets[0], "two")
		done := make(chan error)
		go func() { done <- app.Refresh(t.Context()) }()
		synctest.Wait()
		close(gate)
		require.NoError(t, <-done)
		requireRead(t, "two", secrets[0])
	})
}

// TestBatchNeverGoesBack: loads of one declaration run one after another, so an
// old answer replaces no newer document.
func TestBatchNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(3)
		app := secret.NewApp(secret.AppOptions{Store: m, Refresh: -1, Logger: silence}).Use(secrets...)
		requireStart(t, app)
		gate := make(chan struct{})
		m.answers(func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
			found, err := m.present(ctx, addrs)
			<-gate // old by then
			return found, err
		})
		done := make(chan error, 1)
		go func() { done <- app.Refresh(t.Context()) }()
		synctest.Wait()
		m.answers(m.present)
		m.set(secrets[0], "two")
		m.step(func(context.Context, secret.Address) error {
			t.Error("it overtakes the load under way")
			return nil
		})
		refreshed, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, secrets[0].Refresh(refreshed), context.DeadlineExceeded)
		close(gate)
		require.NoError(t, <-done)
		requireRead(t, "one", secrets[0])
		m.step(nil)
		require.NoError(t, secrets[0].Refresh(t.Context()))
		requireRead(t, "two", secrets[0])
	})
}

// TestUnreachableSecretsOfABatch: they have a request of their own, so they
// delay no other secret even if it hangs. They back off, and come back.
func TestUnreachableSecretsOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(20)
		app := secret.NewApp(secret.AppOptions{Store: m, Logger: silence}).Use(secrets...)
		requireStart(t, app)
		bad := secrets[3].Address()
		var hung atomic.Int32
		m.answers(func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
			for _, addr := range addrs {
				if addr == bad {
					hung.Add(1)
					<-ctx.Done()
				}
			}
			found, err := m.present(context.WithoutCancel(ctx), addrs)
			if delete(found, bad); ctx.Err() != nil {
				err = ctx.Err()
			}
			return found, err
		})
		time.Sleep(4 * time.Minute)
		require.Subset(t, m.asked(), []int{19, 1})
		hung.Store(0)
		for range 20 {
			time.Sleep(time.Minute)
		}
		sizes := m.asked()
		require.InDelta(t, 20, count(sizes, 19), 3)
		require.InDelta(t, 4, hung.Load(), 1, "it backs off")
		st := app.Status()
		for _, one := range st.Secrets {
			require.Equal(t, one.Address == bad, one.LastError != "", one.Address)
			require.Equal(t, one.Address != bad, one.FailedLoads == 0)
			if one.Address != bad {
				require.Less(t, st.Time.Sub(one.LastSuccess), 67*time.Second)
			}
		}
		m.answers(m.present)
		time.Sleep(7 * time.Minute)
		m.asked()
		time.Sleep(67 * time.Second)
		sizes = m.asked()
		require.Equal(t, slices.Repeat([]int{20}, len(sizes)), sizes)
		require.NotEmpty(t, sizes)
		require.Zero(t, m.gets())
	})
}

func count(list []int, n int) (times int) {
	for _, one := range list {
		if one == n {
			times++
		}
	}
	return times
}

// TestMissingSecretsShareARequest: an answer that a secret is missing or
// malformed shows that the store can be reached.
func TestMissingSecretsShareARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(20)
		requireStart(t, secret.NewApp(secret.AppOptions{Store: m, Logger: silence}).Use(secrets...))
		m.texts.Delete(secrets[0].Address().String())
		m.set(secrets[1], "current=v1")
		time.Sleep(10*time.Minute + time.Second)
		sizes := m.asked()
		require.InDelta(t, 11, len(sizes), 1)
		require.InDelta(t, 6, count(sizes, 18), 1)
		require.InDelta(t, 4, count(sizes, 20), 1)
	})
}

// TestHangingBatchStore: a GetAll that ignores its context fails every secret in
// time, and holds back no other store. After MaxStale reads fail. Close waits for
// at most Timeout.
func TestHangingBatchStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, other := newMany(), newMany()
		secrets := m.declared(200)
		free := secret.Static(secret.Options{Namespace: "own", Name: "free", Store: other})
		other.set(free, "one")
		app := secret.NewApp(secret.AppOptions{Store: m, MaxStale: 5 * time.Minute, Concurrency: 2,
			Logger: silence}).Use(append(secrets, free)...)
		require.NoError(t, app.Start(t.Context()))
		gate := make(chan struct{})
		m.answers(held(m, gate))
		other.set(free, "two")
		time.Sleep(90 * time.Second)
		requireRead(t, "two", free)
		for i, one := range app.Status().Secrets[:200] {
			require.Contains(t, one.LastError, "no answer from the store within 20s", i)
		}
		time.Sleep(4 * time.Minute)
		_, err := secrets[7].Current().Text()
		require.ErrorContains(t, err, "not confirmed for over 5m0s")
		requireRead(t, "two", free)
		other.set(free, "three")
		time.Sleep(70 * time.Second)
		requireRead(t, "three", free)
		require.Len(t, m.asked(), 2, "one request at a time")
		began := time.Now()
		require.ErrorContains(t, app.Close(), "has not come back")
		require.Equal(t, 10*time.Second, time.Since(began))
		close(gate)
	})
}

// TestCloseEndsABatch: Close ends the context of GetAll and waits for its end.
func TestCloseEndsABatch(t *testing.T) {
	for _, when := range []string{"in Start", "in a round"} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMany()
				app := secret.NewApp(secret.AppOptions{Store: m, Logger: silence}).Use(m.declared(20)...)
				var ended, late atomic.Bool
				hangs := func(ctx context.Context, _ []secret.Address) (map[secret.Address]string, error) {
					<-ctx.Done()
					time.Sleep(time.Second)
					ended.Store(true)
					return nil, context.Cause(ctx)
				}
				started := make(chan error, 1)
				if when == "in Start" {
					m.answers(hangs)
					go func() { started <- app.Start(t.Context()) }()
				} else {
					require.NoError(t, app.Start(t.Context()))
					m.answers(hangs)
					time.Sleep(67 * time.Second)
					started <- nil
				}
				synctest.Wait()
				require.NoError(t, app.Close())
				late.Store(!ended.Load())
				require.False(t, late.Load(), "Close waits for GetAll")
				if err := <-started; when == "in Start" {
					require.ErrorContains(t, err, "the App was closed")
				}
			})
		})
	}
}

// TestStartEndsABatch: the end of Start's context ends its request, is the error
// of every secret, and disturbs no read that has joined the request.
func TestStartEndsABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(3)
		app := secret.NewApp(secret.AppOptions{Store: m, Refresh: -1, Logger: silence}).Use(secrets...)
		m.answers(func(ctx context.Context, _ []secret.Address) (map[secret.Address]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 3)
		go func() { done <- app.Start(ctx) }()
		synctest.Wait()
		read := make(chan error, 4)
		for _, s := range secrets {
			go func() { _, err := s.Current().Text(); read <- err }()
		}
		go func() { read <- app.Refresh(t.Context()) }()
		synctest.Wait()
		m.answers(m.present)
		pressed := errors.New("the operator has pressed ^C")
		cancel(pressed)
		err := <-done
		require.ErrorIs(t, err, pressed)
		require.ErrorContains(t, err, "3 problems")
		for range 4 {
			require.NoError(t, <-read)
		}
		requireStart(t, app)
	})
}

// TestBatchHasDeclaredNames: the context of GetAll has the declared binding name
// of every address.
func TestBatchHasDeclaredNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(3)
		for _, name := range []string{"API_KEY", "tls.key"} {
			secrets = append(secrets, secret.Static(secret.Options{Namespace: "own", Name: "n" + strconv.Itoa(len(secrets)),
				Binding: name}))
			m.texts.Set(name, "of "+name)
		}
		app := secret.NewApp(secret.AppOptions{Store: m, Refresh: -1, Logger: silence}).Use(secrets...)
		m.answers(func(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
			for i, addr := range addrs {
				if name := secret.BindingOf(ctx, addr); name != secrets[i].Binding() {
					t.Errorf("%s has the name %s", addr, name)
				}
			}
			return m.present(ctx, addrs)
		})
		requireStart(t, app)
		requireRead(t, "of API_KEY", secrets[3])
		requireRead(t, "of tls.key", secrets[4])
		require.Equal(t, []int{5}, m.asked())
	})
}

// TestBatchOfWrongDeclarations: a wrong declaration is not asked for, and two of
// one address are not asked for in one request.
func TestBatchOfWrongDeclarations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(3)
		secrets = append(secrets, secret.Static(secret.Options{Name: "no name!"}),
			secret.Static(secret.Options{Namespace: "app", Name: "n0", Binding: "OTHER"}), nil)
		m.texts.Set("OTHER", "of other")
		app := secret.NewApp(secret.AppOptions{Store: m, Logger: silence}).Use(secrets...)
		err := app.Start(t.Context())
		require.ErrorContains(t, err, "declared twice, differently: Binding")
		require.ErrorContains(t, err, "3 problems")
		require.Equal(t, []int{3}, m.asked())
		require.Equal(t, 1, m.gets())
	})
}

// TestSlowLoggerHoldsBackNoOtherSecret of the same request.
func TestSlowLoggerHoldsBackNoOtherSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany()
		secrets := m.declared(20)
		gate := make(chan struct{})
		var once atomic.Bool
		logger := logFunc(func() {
			if once.CompareAndSwap(false, true) {
				<-gate
			}
		})
		app := secret.NewApp(secret.AppOptions{Store: m, Logger: logger}).Use(secrets...)
		requireStart(t, app)
		for _, s := range secrets {
			m.set(s, "current=v2;v2=two")
		}
		time.Sleep(67 * time.Second)
		for _, s := range secrets {
			requireRead(t, "two", s)
		}
		close(gate)
	})
}

// logFunc returns a logger that calls f for every record.
func logFunc(f func()) *slog.Logger { return slog.New(logHandler{slog.DiscardHandler, f}) }

type logHandler struct {
	slog.Handler
	f func()
}

func (h logHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h logHandler) Handle(context.Context, slog.Record) error {
	h.f()
	return nil
}
