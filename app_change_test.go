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

// TestEveryChangedDocumentIsSent with the ids that are new, that left and that
// ended. The start, a failure and the same text again are no changes.
func TestEveryChangedDocumentIsSent(t *testing.T) {
	const past, ahead = "1999-12-31T00:00:00Z", "2000-02-01T00:00:00Z" // synctest begins at 2000-01-01
	ids := func(ids ...string) []string { return ids }
	for name, c := range map[string]struct {
		from, to string
		want     secret.Change
	}{
		"announced": {"current=v1;v1=a", "current=v1;v1=a;v2=b;v2_active=" + ahead,
			secret.Change{Old: "v1", New: "v1", Added: ids("v2")}},
		"flipped": {"current=v1;v1=a;v2=b", "current=v2;v1=a;v1_expires=" + ahead + ";v2=b",
			secret.Change{Old: "v1", New: "v2", CurrentChanged: true}},
		"times alone": {"current=v1;v1=a;v2=b", "current=v1;v1=a;v2=b;v2_active=" + ahead,
			secret.Change{Old: "v1", New: "v1"}},
		"revoked by its end": {"current=v2;v1=a;v2=b", "current=v2;v1=a;v1_expires=" + past + ";v2=b",
			secret.Change{Old: "v2", New: "v2", Ended: ids("v1")}},
		"revoked by its end, which was ahead": {"current=v2;v1=a;v1_expires=" + ahead + ";v2=b",
			"current=v2;v1=a;v1_expires=" + past + ";v2=b", secret.Change{Old: "v2", New: "v2", Ended: ids("v1")}},
		"current revoked": {"current=v1;v1=a", "current=v1;v1=a;v1_expires=" + past,
			secret.Change{Old: "v1", New: "v1", Ended: ids("v1")}},
		"left": {"current=v2;v1=a;v2=b", "current=v2;v2=b",
			secret.Change{Old: "v2", New: "v2", Removed: ids("v1"), Ended: ids("v1")}},
		"pruned after its end": {"current=v2;v1=a;v1_expires=" + past + ";v2=b", "current=v2;v2=b",
			secret.Change{Old: "v2", New: "v2", Removed: ids("v1"), Ended: ids("v1")}},
		"expired before and after": {"current=v2;v1=a;v1_expires=" + past + ";v2=b",
			"current=v2;v1=a;v1_expires=" + past + ";v2=b;v3=c", secret.Change{Old: "v2", New: "v2", Added: ids("v3")}},
		"expired before it was loaded": {"current=v2;v2=b", "current=v2;v1=a;v1_expires=" + past + ";v2=b",
			secret.Change{Old: "v2", New: "v2", Added: ids("v1"), Ended: ids("v1")}},
		"a later end for an expired one": {"current=v2;v1=a;v1_expires=" + past + ";v2=b",
			"current=v2;v1=a;v1_expires=" + ahead + ";v2=b", secret.Change{Old: "v2", New: "v2", Added: ids("v1")}},
		"all at once": {"current=v3;v1=a;v2=b;v3=c;v4=d", "current=v5;v3=c;v5=e;v6=f;v4=d;v4_expires=" + past,
			secret.Change{Old: "v3", New: "v5", CurrentChanged: true, Added: ids("v5", "v6"), Removed: ids("v1", "v2"),
				Ended: ids("v1", "v2", "v4")}},
		"plain":                    {"plain", "plain too", secret.Change{Old: "v1", New: "v1", CurrentChanged: true}},
		"a value under the one id": {"current=v1;v1=a", "current=v1;v1=b", secret.Change{Old: "v1", New: "v1", CurrentChanged: true}},
		"another format":           {"plain", "current=v1;v1=plain", secret.Change{Old: "v1", New: "v1"}},
		"another order": {"current=v1;v1=a;v2=b;v3=c", "current=v1;v3=c;v2=b;v1=a",
			secret.Change{Old: "v1", New: "v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app, s, put := changing(t, secret.AppOptions{})
				put(c.from)
				var early, late told
				app.OnChange(early.hear)
				require.NoError(t, app.Start(context.Background()))
				put(c.from)
				synctest.Wait()
				require.Empty(t, early.all())
				c.want.Address = s.Address()
				put(c.to)
				put(c.to)
				app.OnChange(late.hear)
				synctest.Wait()
				require.Equal(t, []secret.Change{c.want}, early.all())
				require.Equal(t, []secret.Change{c.want}, late.all())
				require.NoError(t, app.Close())
			})
		})
	}
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
			last, id := fmt.Sprintf("v%d", i-1), fmt.Sprintf("v%d", i)
			want = append(want, secret.Change{Address: s.Address(), Old: last, New: id, CurrentChanged: true,
				Added: []string{id}, Removed: []string{last}, Ended: []string{last}})
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
