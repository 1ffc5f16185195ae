package secret

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/layeron-hq/secret/internal/swap"
)

// served is an App of one secret that was not started, with the Changes sent so
// far. A test moves its clock, which no test from outside can.
func served(t *testing.T, text string) (app *App, sec *appSecret, sent func() []Change) {
	t.Helper()
	app = NewApp(AppOptions{Refresh: -1}).Use(Static(Options{Name: "key"}))
	sec = app.secrets[0]
	publish(t, sec, text)
	changes := make(chan Change, 1000)
	app.OnChange(func(c Change) { changes <- c })
	return app, sec, func() (list []Change) {
		synctest.Wait()
		for len(changes) > 0 {
			list = append(list, <-changes)
		}
		return list
	}
}

func publish(t *testing.T, sec *appSecret, text string) {
	t.Helper()
	doc, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	sec.replace(&flight{number: sec.published + 1, doc: doc})
}

func requireChanges(t *testing.T, got []Change, want ...Change) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Fatalf("got  %s\nwant %s", g, w)
	}
}

// TestClockThatIsSet: an early ring of the timer sends nothing; a clock that
// was set forward ends versions at the next look; one that was set back makes
// them accepted again.
func TestClockThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, sec, sent := served(t, "current=v2;v1=a;v1_expires=2000-01-02T00:00:00Z;v2=b")
		defer app.Close()
		end := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)
		change := Change{Address: sec.decl.addr, Old: "v2", New: "v2"}
		ended, again := change, change
		ended.Ended, again.Added = []string{"v1"}, []string{"v1"}
		app.tellExpired(end.Add(-time.Nanosecond))
		requireChanges(t, sent())
		app.tellExpired(end)
		app.tellExpired(end)
		requireChanges(t, sent(), ended)
		app.tellExpired(end.Add(-time.Hour))
		app.tellExpired(end.Add(-time.Minute))
		requireChanges(t, sent(), again)
		app.tellExpired(end.Add(time.Hour))
		requireChanges(t, sent(), ended)

		// A load looks at the clock too.
		app.tellExpired(end.Add(-time.Hour))
		requireChanges(t, sent(), again)
		time.Sleep(25 * time.Hour)
		requireChanges(t, sent(), ended)
	})
}

// TestWallClockFollowsTheMachine: times with a monotonic reading would be
// compared by it, as if the clock had not been set.
func TestWallClockFollowsTheMachine(t *testing.T) {
	if text := wallClock().String(); strings.Contains(text, "m=") {
		t.Fatal(text)
	}
}

// TestTimerLooksAtTheClockEachMinute while a version is going to expire, and
// never else: it waits for the end, or for a minute, and for times at the end of
// the range too.
func TestTimerLooksAtTheClockEachMinute(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ next, rings time.Time }{
		"none":   {},
		"soon":   {now.Add(time.Second), now.Add(time.Second)},
		"passed": {now.Add(-time.Hour), now.Add(-time.Hour)},
		"late":   {now.Add(time.Hour), now.Add(longestWait)},
		"far":    {time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), now.Add(longestWait)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := NewApp(AppOptions{})
				app.wakeAt(c.next, now)
				if app.changes.expiry.timer != nil {
					t.Fatal("there is a timer although no function is registered")
				}
				app.OnChange(func(Change) {})
				app.wakeAt(c.next, now)
				if got := app.changes.expiry.rings; !got.Equal(c.rings) {
					t.Fatalf("rings at %v", got)
				}
				app.wakeAt(now.Add(2*time.Second), now)
				app.wakeAt(now.Add(3*time.Second), now)
				if got, want := app.changes.expiry.rings, earlier(c.rings, now.Add(2*time.Second)); !got.Equal(want) {
					t.Fatalf("rings at %v, want %v", got, want)
				}
				_ = app.Close()
				if app.changes.expiry.timer.Stop() {
					t.Fatal("Close left the timer running")
				}
			})
		})
	}
}

// TestTimerOfAClockThatIsSet: the timer's ring finds an expiry that the clock
// has jumped over, and a clock that was set back.
func TestTimerOfAClockThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, sec, sent := served(t, "current=v2;v1=a;v1_expires=2000-01-02T00:00:00Z;v2=b;v2_expires=2100-01-01T00:00:00Z")
		defer app.Close()
		end := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)
		ended := Change{Address: sec.decl.addr, Old: "v2", New: "v2", Ended: []string{"v1"}}
		again := Change{Address: sec.decl.addr, Old: "v2", New: "v2", Added: []string{"v1"}}
		app.ring(end.Add(-time.Hour))
		requireChanges(t, sent())
		app.ring(end.Add(time.Hour))
		requireChanges(t, sent(), ended)
		app.ring(end.Add(time.Hour + time.Minute))
		requireChanges(t, sent())
		app.ring(end.Add(-time.Minute))
		requireChanges(t, sent(), again)
		if got := app.changes.expiry.rings; !got.Equal(end) {
			t.Fatalf("rings at %v", got)
		}
		app.ring(end)
		requireChanges(t, sent(), ended)

		app.ring(end.Add(-2 * time.Minute))
		app.tellExpired(end.Add(time.Second)) // as a load does
		app.ring(end.Add(-time.Second))
		requireChanges(t, sent(), again, ended, again)
	})
}

// TestStopOfTheLastFunctionStopsTheTimer: a later function sets it again.
func TestStopOfTheLastFunctionStopsTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, sec, sent := served(t, "current=v2;v1=a;v1_expires=2000-01-02T00:00:00Z;v2=b")
		app.changes.stop(app.changes.listeners[0])
		if app.changes.expiry.timer.Stop() {
			t.Fatal("the timer was left running")
		}
		calls := 0
		app.OnChange(func(Change) { calls++ }, Static(Options{Name: "key"}))
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if calls != 1 || len(sent()) > 0 {
			t.Fatal(calls)
		}
		publish(t, sec, "current=v2;v2=b")
		synctest.Wait()
		_ = app.Close()
	})
}

// TestChangeKeepsNoStoredText in memory: its ids are copies.
func TestChangeKeepsNoStoredText(t *testing.T) {
	texts := []string{"current=v2;v1=first;v2=second;v3=third", "current=v4;v3=third;v3_expires=1999-01-01T00:00:00Z;v4=fourth"}
	var docs []*Document
	for _, text := range texts {
		doc, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, doc)
	}
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	c := difference(Address{}, docs[0], now, docs[1], now)
	if len(c.Added) != 1 || len(c.Removed) != 2 || len(c.Ended) != 3 {
		t.Fatal(c)
	}
	for _, id := range slices.Concat(c.Added, c.Removed, c.Ended, []string{c.Old, c.New}) {
		for _, doc := range docs {
			for v := range doc.All() {
				if unsafe.StringData(v.ID) == unsafe.StringData(id) {
					t.Errorf("%s is a part of the stored text", id)
				}
			}
		}
	}
}

// TestCallsAreForgotten after their end, also after a panic.
func TestCallsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, sec, _ := served(t, "one")
		app.options.Logger = slog.New(slog.DiscardHandler)
		defer app.Close()
		app.OnChange(func(Change) { panic("made up") })
		callers.mu.Lock()
		before := len(callers.of)
		callers.mu.Unlock()
		publish(t, sec, "two")
		synctest.Wait()
		callers.mu.Lock()
		defer callers.mu.Unlock()
		if after := len(callers.of); after > before {
			t.Fatal(before, after)
		}
	})
}

// TestRememberedIDsAreLimited: a store with ever new ids does not fill the
// memory; the last ids count.
func TestRememberedIDsAreLimited(t *testing.T) {
	var all *Change
	const each = 1000
	for n := range 3 * mostIDs / each {
		var c Change
		for i := range each {
			c.Removed = append(c.Removed, fmt.Sprint(n*each+i))
		}
		c.Ended = c.Removed
		all = all.then(c)
	}
	if len(all.Removed) != mostIDs || len(all.Ended) != mostIDs || all.Ended[mostIDs-1] != fmt.Sprint(3*mostIDs-1) {
		t.Fatal(len(all.Removed), len(all.Ended))
	}
}

// TestSwappedSecretSendsNoChange: the App still has the store from before the
// swap, but no read returns its documents. After the end of the swap it sends
// the changes that reads then see.
func TestSwappedSecretSendsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, sec, sent := served(t, "current=v2;v1=a;v1_expires=2000-01-02T00:00:00Z;v2=b")
		defer app.Close()
		publish(t, sec, "current=v2;v2=b;v1=a;v1_expires=2000-01-02T00:00:00Z")
		requireChanges(t, sent(), Change{Address: sec.decl.addr, Old: "v2", New: "v2"})
		restore, err := swap.Secret(sec.readers[0], NewMemory(nil))
		if err != nil {
			t.Fatal(err)
		}
		publish(t, sec, "current=v3;v3=c")
		time.Sleep(48 * time.Hour)
		late := 0
		app.OnChange(func(Change) { late++ })
		requireChanges(t, sent())
		if late > 0 {
			t.Fatal("a function was called for a swapped secret")
		}
		restore()
		publish(t, sec, "current=v4;v3=c;v4=d")
		requireChanges(t, sent(), Change{Address: sec.decl.addr, Old: "v2", New: "v4", CurrentChanged: true,
			Added: []string{"v3", "v4"}, Removed: strings.Fields("v2 v1"), Ended: strings.Fields("v2 v1")})
	})
}
