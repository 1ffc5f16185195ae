package secrettest

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/layeron-hq/secret"
)

// watchCheck is one promise. It returns an error instead of failing a test, so
// that tests can run it on Watchers that break it.
type watchCheck struct {
	name string
	run  func(watched) error
}

var watchChecks = []watchCheck{
	{"initial", watchInitial},
	{"change", watchChange},
	{"burst", watchBurst},
	{"serial", watchSerial},
	{"subscribed", watchSubscribed},
	{"gap", watchGap},
	{"several", watchSeveral},
	{"end", watchEnd},
	{"binding", watchBinding},
	{"quiet", watchQuiet},
	{"leak", watchLeak},
}

func wantText(want string) func(string, error) bool {
	return func(text string, err error) bool { return err == nil && text == want }
}

func wantNothing(_ string, err error) bool { return errors.Is(err, secret.ErrNotFound) }

func watchInitial(s watched) error {
	return s.beside(func(*watching) error { return nil })
}

func watchChange(s watched) error {
	return s.beside(func(w *watching) error {
		s.set(watchForeign, "nobody asked") // must not be reported
		for _, step := range []struct {
			what   string
			change func()
			want   func(string, error) bool
		}{
			{"a change", func() { s.set(watchA, "second a") }, wantText("second a")},
			{"a deletion", func() { s.remove(watchA) }, wantNothing},
			{"a value that came back", func() { s.set(watchA, "second a") }, wantText("second a")},
		} {
			if err := s.after(w, watchA, step.what, step.change, step.want); err != nil {
				return err
			}
		}
		if err := s.after(w, watchNone, "its first value", func() { s.set(watchNone, "came late") },
			wantText("came late")); err != nil {
			return err
		}
		return s.after(w, watchB, "a change", func() { s.set(watchB, "second b") }, wantText("second b"))
	})
}

func watchBurst(s watched) error {
	const changes = 50
	return s.beside(func(w *watching) error {
		for round := range 3 {
			for i := range changes - 1 {
				s.set(watchA, "passing "+strconv.Itoa(i))
			}
			// Only a hint after the start of the last change counts. Every round has
			// another last text: a store that compares contents may miss those between.
			last := "last of round " + strconv.Itoa(round)
			err := s.after(w, watchA, "the last of "+strconv.Itoa(changes)+" changes", func() { s.set(watchA, last) },
				wantText(last))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func watchSerial(s watched) error {
	s.reset()
	// A slow call makes a concurrent second call visible.
	w := s.watch(context.Background(), func(secret.Address) { <-time.After(2 * time.Millisecond) })
	err := w.settled()
	for i := 0; i < 3 && err == nil; i++ {
		text := "serial " + strconv.Itoa(i)
		err = s.after(w, watchA, "a change", func() {
			s.set(watchB, text)
			s.set(watchA, text)
		}, wantText(text))
	}
	return cmp.Or(err, w.stop())
}

func watchSubscribed(s watched) error {
	s.reset()
	const text = "set during the first hint"
	first, changed := make(chan secret.Address, 1), make(chan struct{})
	var once sync.Once
	w := s.watch(context.Background(), func(addr secret.Address) {
		once.Do(func() {
			first <- addr
			select {
			case <-changed:
			case <-time.After(watchEnding): // this store accepts no change while a call is running
			}
		})
	})
	go func() {
		defer close(changed)
		select {
		case addr := <-first:
			first <- addr
			for _, each := range watchAddrs {
				s.set(each, text)
			}
		case <-w.returned:
		}
	}()
	err := w.until(firstHint, "the first hint", func() bool { return w.count() > 0 })
	if err == nil {
		<-changed
		addr := <-first
		err = w.until(subscribed, "another hint for "+addr.String()+", which changed during its first one,",
			func() bool { return w.count(addr) > 1 })
	}
	if err == nil {
		err = w.settled()
	}
	for _, addr := range watchAddrs {
		if got, failed := s.store.Get(context.Background(), addr); err == nil && !wantText(text)(got, failed) {
			err = current.broken("after its hints Get(%s) returned %q, %v; want %q", addr, got, failed, text)
		}
	}
	return cmp.Or(err, w.stop())
}

func watchGap(s watched) error {
	if err := s.beside(func(*watching) error { return nil }); err != nil {
		return err
	}
	s.set(watchA, "in the gap")
	w := s.watch(context.Background(), nil)
	err := w.settled()
	if err == nil {
		text, got := s.store.Get(context.Background(), watchA)
		if !wantText("in the gap")(text, got) {
			err = current.broken("after the first hint of a new Watch Get(%s) returned %q, %v; want what was set before "+
				"it began", watchA, text, got)
		}
	}
	return cmp.Or(err, w.stop())
}

func watchSeveral(s watched) error {
	return s.beside(func(w *watching) error {
		other := s.watch(context.Background(), nil)
		err := other.settled()
		for i, one := range []*watching{w, other} {
			if err == nil {
				text := "for watch " + strconv.Itoa(i)
				err = s.after(one, watchA, "a change beside another Watch", func() { s.set(watchA, text) }, wantText(text))
			}
		}
		return cmp.Or(err, other.stop())
	})
}

func watchEnd(s watched) error {
	s.reset()
	w := s.watch(context.Background(), nil)
	if err := cmp.Or(w.settled(), w.stop()); err != nil {
		return err
	}
	before := w.count()
	s.set(watchA, "after the end")
	<-time.After(watchWindow)
	if after := w.count(); after != before {
		return stops.broken("changed was called %d times after Watch had returned", after-before)
	}
	ended, cancel := context.WithCancelCause(context.Background())
	cancel(errWatchOver)
	return s.watch(ended, nil).stop()
}

func watchQuiet(s watched) error {
	return s.beside(func(w *watching) error {
		// A change first: a Watcher that does not clear its hints repeats them for
		// ever.
		err := s.after(w, watchA, "a change", func() { s.set(watchA, "calm") }, wantText("calm"))
		if err != nil {
			return err
		}
		before := w.count()
		<-time.After(watchCalm)
		if calls := w.count() - before; calls > len(watchAddrs) {
			return quiet.broken("%d calls of changed for %d addresses in %s in which nothing changed", calls, len(watchAddrs),
				watchCalm)
		}
		return nil
	})
}

func watchLeak(s watched) error {
	const cycles = 16
	once := func() error { return s.beside(func(*watching) error { return nil }) }
	if err := once(); err != nil { // a client starts its permanent goroutines now
		return err
	}
	before := runtime.NumGoroutine()
	for range cycles {
		if err := once(); err != nil {
			return err
		}
	}
	limit := time.NewTimer(watchTimeout)
	defer limit.Stop()
	for {
		left := runtime.NumGoroutine() - before
		if left < cycles/2 { // a pool of connections may have grown
			return nil
		}
		select {
		case <-limit.C:
			return leaves.broken("after %d Watches that returned %d goroutines more are running", cycles, left)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
