package secret_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// told records the calls of a function given to OnChange.
type told struct {
	mu      sync.Mutex
	changes []secret.Change
}

func (c *told) hear(change secret.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes = append(c.changes, change)
}

func (c *told) all() []secret.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]secret.Change(nil), c.changes...)
}

// changing is an App of one secret that is refreshed by hand, and a way to give
// it another text.
func changing(t *testing.T, o secret.AppOptions) (app *secret.App, s *secret.Secret, put func(text string)) {
	p := newProbe()
	s = static("key")
	p.set(s, "current=v0;v0=text")
	o.Store, o.Refresh = p, -1
	if o.Logger == nil {
		o.Logger = silence
	}
	app = secret.NewApp(o).Use(s)
	return app, s, func(text string) {
		p.set(s, text)
		require.NoError(t, app.Refresh(context.Background()))
	}
}

// TestChangesAreTold: each in its order with both ids, a text that changes
// under one id too, and nothing that is no change of the current value: the
// start, another version, a failure, the same text again.
func TestChangesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, s, put := changing(t, secret.AppOptions{})
		var c told
		app.OnChange(c.hear)
		require.NoError(t, app.Start(context.Background()))
		synctest.Wait()
		require.Empty(t, c.all())
		put("current=v0;v0=text;v1=announced")
		put("current=v0;v0=text;v1=announced")
		synctest.Wait()
		require.Empty(t, c.all())
		put("current=v1;v0=text;v1=announced")
		put("current=v1;v1=another text")
		put("plain")
		put("plain too")
		synctest.Wait()
		change := func(old, now string) secret.Change { return secret.Change{Address: s.Address(), Old: old, New: now} }
		require.Equal(t, []secret.Change{change("v0", "v1"), change("v1", "v1"), change("v1", "v1"), change("v1", "v1")},
			c.all())
		require.NoError(t, app.Close())
	})
}

// TestChangesKeepTheirOrder: 500 changes reach a slow function in order after a
// quick one has received all. Refreshing waits for neither.
func TestChangesKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		app, s, put := changing(t, secret.AppOptions{})
		requireStart(t, app)
		var slow, quick told
		app.OnChange(func(c secret.Change) {
			time.Sleep(time.Second)
			slow.hear(c)
		})
		app.OnChange(quick.hear)
		began := time.Now()
		var want []secret.Change
		for i := 1; i <= n; i++ {
			put(fmt.Sprintf("current=v%d;v%d=text", i, i))
			want = append(want, secret.Change{Address: s.Address(), Old: fmt.Sprintf("v%d", i-1), New: fmt.Sprintf("v%d", i)})
		}
		synctest.Wait()
		require.Zero(t, time.Since(began))
		require.Equal(t, want, quick.all())
		require.Empty(t, slow.all())
		time.Sleep(n*time.Second + 1)
		require.Equal(t, want, slow.all())
	})
}

// TestPanicInOnChangeIsLogged: by its type, not its text, which might hold a
// value; the others and the next call go on.
func TestPanicInOnChangeIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logged
		app, s, put := changing(t, secret.AppOptions{Logger: log.logger()})
		requireStart(t, app)
		calls := 0
		app.OnChange(func(secret.Change) {
			calls++
			text, _ := s.Current().Text()
			panic("cannot use " + text)
		})
		var c told
		app.OnChange(c.hear)
		put("current=v1;v1=" + marker)
		put("current=v2;v2=" + marker)
		synctest.Wait()
		require.Equal(t, 2, calls)
		require.Len(t, c.all(), 2)
		lines := strings.Join(log.lines(), "\n")
		require.Equal(t, 2, strings.Count(lines, `msg="a function given to OnChange panicked" type=string`))
		require.NotContains(t, lines, marker)
	})
}

// TestStoppedCallbackIsNotCalled: from then on no call begins, not even for a
// waiting change; it may be called again, and by the function itself.
func TestStoppedCallbackIsNotCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, _, put := changing(t, secret.AppOptions{})
		requireStart(t, app)
		var c, self, other told
		var stopSelf func()
		stop := app.OnChange(func(change secret.Change) {
			c.hear(change)
			time.Sleep(time.Second)
		})
		stopSelf = app.OnChange(func(change secret.Change) {
			self.hear(change)
			stopSelf()
		})
		app.OnChange(other.hear)
		put("current=v1;v1=text")
		put("current=v2;v2=text")
		synctest.Wait()
		stop() // during the first call
		stop()
		put("current=v3;v3=text")
		time.Sleep(time.Minute)
		require.Len(t, c.all(), 1)
		require.Len(t, self.all(), 1)
		require.Len(t, other.all(), 3)
		stopSelf()
	})
}

// TestStoppedFunctionIsForgotten: an App that runs for months does not keep
// functions that were stopped.
func TestStoppedFunctionIsForgotten(t *testing.T) {
	app := secret.NewApp(secret.AppOptions{})
	gone := func() weak.Pointer[told] {
		c := new(told)
		app.OnChange(c.hear)()
		return weak.Make(c)
	}()
	require.Eventually(t, func() bool {
		runtime.GC()
		return gone.Value() == nil
	}, 10*time.Second, time.Millisecond)
	runtime.KeepAlive(app)
}

// TestNoCallAfterClose: not for queued changes, not for changes that a later
// Refresh finds, and not to a function registered then. A function may close
// its App.
func TestNoCallAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, s, put := changing(t, secret.AppOptions{})
		require.NoError(t, app.Start(context.Background()))
		var c, late told
		app.OnChange(func(change secret.Change) {
			c.hear(change)
			time.Sleep(time.Second)
			require.NoError(t, app.Close())
		})
		put("current=v1;v1=text")
		put("current=v2;v2=text")
		time.Sleep(time.Minute)
		require.Len(t, c.all(), 1)
		app.OnChange(late.hear)()
		app.OnChange(late.hear)
		put("current=v3;v3=text")
		text, err := s.Current().Get(context.Background())
		require.NoError(t, err)
		require.Equal(t, "v3", text.ID)
		synctest.Wait()
		require.Len(t, c.all(), 1)
		require.Empty(t, late.all())
	})
}

// TestOnChangeMayUseItsApp: a call holds no lock.
func TestOnChangeMayUseItsApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, s, put := changing(t, secret.AppOptions{})
		requireStart(t, app)
		done := make(chan struct{})
		app.OnChange(func(change secret.Change) {
			app.OnChange(func(secret.Change) {})()
			app.Use(s)
			require.NoError(t, app.Refresh(context.Background()))
			require.Equal(t, change.New, app.Status().Secrets[0].Current)
			close(done)
		})
		put("current=v1;v1=text")
		<-done
	})
}
