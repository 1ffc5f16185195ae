package secret_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// TestFirstReadLoadsAndKeeps: from Use on and before Start a read loads once,
// and a failing one is tried again.
func TestFirstReadLoadsAndKeeps(t *testing.T) {
	p, s := newProbe(), static("key")
	app := secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(s)
	require.Zero(t, p.gets(), "Use asks nobody")
	_, err := s.Current().Text()
	require.ErrorIs(t, err, secret.ErrNotFound)
	p.set(s, "one")
	requireRead(t, "one", s)
	p.set(s, "two")
	requireRead(t, "one", s)
	require.Equal(t, 2, p.gets())
	require.NoError(t, s.Refresh(context.Background()))
	requireRead(t, "two", s)
	require.NoError(t, app.Refresh(context.Background()))
	require.Equal(t, 4, p.gets())
	require.NoError(t, app.Close())
	requireRead(t, "two", s)
	require.Equal(t, 4, p.gets())
}

// TestFirstReadsShareOneLoad: and one that gives up, the first of all included,
// leaves the others alone.
func TestFirstReadsShareOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := newProbe(), static("key")
		p.set(s, "one")
		gate := make(chan struct{})
		p.before = func(ctx context.Context, _ secret.Address) error {
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		app := secret.NewApp(secret.AppOptions{Store: p}).Use(s)
		impatient := errors.New("the caller has gone")
		first, leave := context.WithCancelCause(context.Background())
		left := make(chan error, 1)
		go func() {
			_, err := s.Load(first)
			left <- err
		}()
		synctest.Wait()
		var others sync.WaitGroup
		for range 50 {
			others.Go(func() {
				text, err := s.Current().Text()
				assert.NoError(t, err)
				assert.Equal(t, "one", text)
			})
		}
		synctest.Wait()
		leave(impatient)
		err := <-left
		require.ErrorIs(t, err, impatient)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "$SECRET.app.key: the caller has gone")
		close(gate)
		others.Wait()
		require.Equal(t, 1, p.gets())

		p.step(hang)
		_, err = s.With(p).Load(first)
		require.ErrorIs(t, err, impatient)
		require.NoError(t, app.Close())
	})
}

// TestRefreshAsksNow: with an App and without one, and concurrent calls share
// one load. There is no data race, and a failed Refresh keeps the old document.
func TestRefreshAsksNow(t *testing.T) {
	for name, tc := range map[string]struct {
		app, start bool
	}{"no App": {}, "before Start": {app: true}, "after Start": {app: true, start: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProbe()
				s := secret.Random(secret.Options{Name: "key", Bytes: 16, Encoding: secret.EncodingRaw, Store: p})
				p.set(s, "0123456789abcde1")
				app := secret.NewApp(secret.AppOptions{Refresh: -1, Logger: silence})
				if tc.app {
					app.Use(s)
				}
				if tc.start {
					require.NoError(t, app.Start(context.Background()))
				}
				requireRead(t, "0123456789abcde1", s)
				p.set(s, "0123456789abcde2")
				gate := make(chan struct{})
				p.step(until(gate))
				before := p.gets()
				first, leave := context.WithCancel(context.Background())
				var all sync.WaitGroup
				all.Go(func() { assert.ErrorIs(t, s.Refresh(first), context.Canceled) })
				synctest.Wait()
				for range 50 {
					all.Go(func() { assert.NoError(t, s.Refresh(context.Background())) })
				}
				synctest.Wait()
				leave()
				synctest.Wait()
				require.Equal(t, 1, p.gets()-before)
				if tc.app {
					requireRead(t, "0123456789abcde1", s) // readers don't wait
				}
				close(gate)
				all.Wait()
				require.Equal(t, 1, p.gets()-before)
				requireRead(t, "0123456789abcde2", s)
				p.step(nil)

				if tc.app {
					for want, text := range map[error]string{secret.ErrEmpty: " ", secret.ErrMalformed: "current=v1",
						secret.ErrEncoding: "short"} {
						p.set(s, text)
						require.ErrorIs(t, s.Refresh(context.Background()), want)
						require.ErrorIs(t, app.Refresh(context.Background()), want)
						requireRead(t, "0123456789abcde2", s)
					}
				}
				require.NoError(t, app.Close())
			})
		})
	}
}

// TestRefreshTrustsNoEarlierLook: after Refresh, reads return the text stored
// at the call, even if a load that began before was under way.
func TestRefreshTrustsNoEarlierLook(t *testing.T) {
	for name, refresh := range map[string]func(*secret.App, *secret.Secret) error{
		"of the secret": func(_ *secret.App, s *secret.Secret) error { return s.Refresh(context.Background()) },
		"of the App":    func(a *secret.App, _ *secret.Secret) error { return a.Refresh(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s := newProbe(), static("key")
				p.set(s, "one")
				app := secret.NewApp(secret.AppOptions{Store: p}).Use(s)
				requireStart(t, app)
				gate := make(chan struct{})
				p.mu.Lock()
				p.after = until(gate)
				p.mu.Unlock()
				time.Sleep(67 * time.Second) // a round is at its load
				require.Equal(t, 2, p.gets())
				p.set(s, "two")
				refreshed := make(chan error)
				go func() { refreshed <- refresh(app, s) }()
				synctest.Wait()
				close(gate)
				require.NoError(t, <-refreshed)
				requireRead(t, "two", s)
			})
		})
	}
}

// TestReadsAfterStart: no call of the store, no allocation, and no context
// matters.
func TestReadsAfterStart(t *testing.T) {
	p, s := newProbe(), static("key")
	p.set(s,
		"current=v3;v1=one;v1_active=2020-01-01T00:00:00Z;v2=two;v2_active=2021-01-01T00:00:00Z;v3=three;v3_active="+
			"2022-01-01T00:00:00Z")
	requireStart(t, secret.NewApp(secret.AppOptions{Store: p, Refresh: -1}).Use(s))
	over, cancel := context.WithCancel(context.Background())
	cancel()
	doc, err := s.Load(over)
	require.NoError(t, err)
	require.Equal(t, "three", doc.Current().Text())
	require.NoError(t, s.Refresh(context.Background()))
	again, err := s.Load(over)
	require.NoError(t, err)
	require.Same(t, doc, again, "the same text is the same document")
	at := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	for want, ref := range map[string]secret.Ref{"three": s.Current(), "one": s.Version("v1"), "two": s.At(at)} {
		text, err := ref.Text()
		require.NoError(t, err)
		require.Equal(t, want, text)
	}
	var sum int
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		for _, read := range []func() (string, error){s.Current().Text, s.Version("v1").Text, s.At(at).Text} {
			text, err := read()
			if err != nil {
				panic(err)
			}
			sum += len(text)
		}
	}))
	_, err = s.Version("v9").Text()
	require.ErrorIs(t, err, secret.ErrVersionNotFound)
	_, err = s.ActiveVersion("v1").Get(over)
	require.NoError(t, err)
	require.Equal(t, 2, p.gets())
}

// TestLoadIsOneView: while documents are swapped, each Load returns one
// consistent document, and never an older one than before.
func TestLoadIsOneView(t *testing.T) {
	const swaps = 2000
	p, s := newProbe(), static("key")
	put := func(i int) {
		p.set(s, fmt.Sprintf("current=v%d;v%d=text %d;v%d=text %d", i+1, i, i, i+1, i+1))
	}
	put(0)
	requireStart(t, secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(s))
	var over atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			last := 0
			for !over.Load() && !t.Failed() {
				doc, err := s.Load(context.Background())
				assert.NoError(t, err)
				var n int
				current := doc.Current()
				_, err = fmt.Sscanf(current.Text(), "text %d", &n)
				assert.NoError(t, err)
				assert.Equal(t, fmt.Sprintf("v%d", n), current.ID)
				before, err := doc.Version(fmt.Sprintf("v%d", n-1))
				assert.NoError(t, err)
				assert.Equal(t, fmt.Sprintf("text %d", n-1), before.Text())
				assert.Len(t, doc.Active(time.Now()), 2)
				assert.GreaterOrEqual(t, n, last)
				last = n
			}
		})
	}
	for i := range swaps {
		put(i)
		require.NoError(t, s.Refresh(context.Background()))
	}
	over.Store(true)
	readers.Wait()
	requireRead(t, fmt.Sprintf("text %d", swaps), s)
}

// TestUseAfterStart: such a secret loads at its first read and is kept fresh
// from then on.
func TestUseAfterStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s, late, unread := newProbe(), static("key"), static("late"), static("unread")
		for _, one := range []*secret.Secret{s, late, unread} {
			p.set(one, "one")
		}
		app := secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(s)
		requireStart(t, app)
		app.Use(late, unread)
		requireRead(t, "one", late)
		p.set(late, "two")
		time.Sleep(67 * time.Second)
		requireRead(t, "two", late)
		require.Zero(t, p.gets(unread))
	})
}

// TestUndeclaredSecretKeepsNoApp: the shared placeholder for secrets that no
// constructor made belongs to no App.
func TestUndeclaredSecretKeepsNoApp(t *testing.T) {
	gone := make(chan struct{})
	func() {
		app := secret.NewApp(secret.AppOptions{}).Use(nil, new(secret.Secret))
		require.ErrorIs(t, app.Start(context.Background()), secret.ErrInvalid)
		runtime.AddCleanup(app, func(c chan struct{}) { close(c) }, gone)
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatal("the App is still reachable")
}
