package secrettest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/layeron-hq/secret"
)

// TestWatcher runs a subtest for each thing that a [secret.Watcher] promises:
//
//   - initial: every address gets a hint when Watch begins, whether there is a value or not, and no other address does;
//   - change: a hint follows a new value, a deletion and a value that comes back, and Get then returns that;
//   - burst: however fast changes come, a hint follows the last one;
//   - serial: one call of changed ends before the next begins;
//   - subscribed: a change that comes while the first hints are given is told of too;
//   - gap: a Watch that begins anew sees what changed while there was none;
//   - several: so do Watches that run at the same time;
//   - end: when its context ends Watch returns the cause, soon, and calls changed no more;
//   - quiet: while nothing changes there are few calls;
//   - leak: a Watch that has returned leaves no goroutine behind.
//
// It calls open once in each subtest, with that subtest's t. open returns a store that is also a Watcher, and functions that
// change what it holds from outside and return when that is done; what has to be taken down again belongs into t.Cleanup. The
// store may hold anything at first, also what an earlier subtest left there: addresses are all in the namespace "watch".
//
// It works in real time, and in a bubble of testing/synctest where the store does. Nothing else may run meanwhile that starts
// goroutines: no parallel test.
func TestWatcher(t *testing.T, open func(t *testing.T) (store secret.Store, set func(addr secret.Address, text string), remove func(addr secret.Address))) {
	t.Helper()
	for _, c := range watchChecks {
		t.Run(c.name, func(t *testing.T) {
			store, set, remove := open(t)
			w, ok := store.(secret.Watcher)
			if !ok {
				t.Fatalf("%T is no secret.Watcher", store)
			}
			if err := c.run(watched{store, w, set, remove}); err != nil {
				t.Error(err)
			}
		})
	}
}

// watched is what a check looks at.
type watched struct {
	store  secret.Store
	w      secret.Watcher
	set    func(secret.Address, string)
	remove func(secret.Address)
}

// watchCheck is one promise. It returns an error instead of failing a test, so that it can be tested on what breaks it.
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
	{"quiet", watchQuiet},
	{"leak", watchLeak},
}

const (
	// watchPatience is how long anything that is promised may take. It runs out only when something is wrong.
	watchPatience = 30 * time.Second
	// watchEnding is how long Watch may take to return: an App's Close waits no longer unless told to.
	watchEnding = 10 * time.Second
	// watchWindow is how long a check listens for calls that should not come.
	watchWindow = 2 * time.Second
	// watchCalm is how long calls are counted while nothing changes.
	watchCalm = 5 * time.Second
)

var (
	watchA       = secret.Address{Namespace: "watch", Name: "a"}
	watchB       = secret.Address{Namespace: "watch", Name: "b"}
	watchNone    = secret.Address{Namespace: "watch", Name: "none"}
	watchForeign = secret.Address{Namespace: "watch", Name: "foreign"}
	watchAddrs   = []secret.Address{watchA, watchB, watchNone}

	errWatchOver = errors.New("the test is over")
)

// reset puts the store into a known state.
func (s watched) reset() {
	s.set(watchA, "first a")
	s.set(watchB, "first b")
	s.remove(watchNone)
}

// watch begins a Watch under ctx; during is called in every call of changed and may be nil.
func (s watched) watch(ctx context.Context, during func(secret.Address)) *watching {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watching{cancel: cancel, returned: make(chan struct{}), news: make(chan struct{}, 1), calls: map[secret.Address]int{}}
	go func() {
		defer close(w.returned)
		w.err = s.w.Watch(ctx, watchAddrs, func(addr secret.Address) { w.call(addr, during) })
	}()
	return w
}

// watching is a Watch under way and what it has said.
type watching struct {
	cancel   context.CancelCauseFunc
	returned chan struct{}
	err      error // of Watch; set when returned is closed
	news     chan struct{}

	mu    sync.Mutex
	calls map[secret.Address]int
	fault error
	busy  int
}

func (w *watching) call(addr secret.Address, during func(secret.Address)) {
	w.mu.Lock()
	w.busy++
	if w.busy > 1 {
		w.fault = errors.New("changed was called while another call of it was under way")
	}
	if addr != watchA && addr != watchB && addr != watchNone {
		w.fault = fmt.Errorf("changed was called for %s, which was not asked for", addr)
	}
	w.mu.Unlock()
	if during != nil {
		during(addr)
	}
	w.mu.Lock()
	w.busy--
	w.calls[addr]++
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// count returns how many calls have come back, for one address or for all.
func (w *watching) count(only ...secret.Address) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for addr, calls := range w.calls {
		if len(only) == 0 || only[0] == addr {
			n += calls
		}
	}
	return n
}

func (w *watching) faulty() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault
}

// until waits for a state that calls bring about.
func (w *watching) until(what string, done func() bool) error {
	limit := time.NewTimer(watchPatience)
	defer limit.Stop()
	for {
		if err := w.faulty(); err != nil {
			return err
		}
		if done() {
			return nil
		}
		select {
		case <-w.news:
		case <-w.returned:
			return fmt.Errorf("the Watcher's Watch returned although its context goes on: %v", w.err)
		case <-limit.C:
			return fmt.Errorf("%s did not come within %s", what, watchPatience)
		}
	}
}

// settled waits for the first hints.
func (w *watching) settled() error {
	for _, addr := range watchAddrs {
		if err := w.until("the first hint for "+addr.String(), func() bool { return w.count(addr) > 0 }); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the Watch and checks how it returns.
func (w *watching) stop() error {
	w.cancel(errWatchOver)
	limit := time.NewTimer(watchEnding)
	defer limit.Stop()
	select {
	case <-w.returned:
	case <-limit.C:
		return fmt.Errorf("the Watcher's Watch did not return within %s of its context's end", watchEnding)
	}
	switch err := w.faulty(); {
	case err != nil:
		return err
	case w.err == nil:
		return errors.New("the Watcher's Watch returned nil; want its context's cause")
	case !errors.Is(w.err, errWatchOver):
		return fmt.Errorf("the Watcher's Watch returned %w; want its context's cause", w.err)
	}
	return nil
}

// beside runs f beside a Watch that has given its first hints, and ends that.
func (s watched) beside(f func(*watching) error) error {
	s.reset()
	w := s.watch(context.Background(), nil)
	err := w.settled()
	if err == nil {
		err = f(w)
	}
	return errors.Join(err, w.stop())
}

// after makes a change and waits for a hint after which Get returns what want accepts.
func (s watched) after(w *watching, addr secret.Address, what string, change func(), want func(text string, err error) bool) error {
	before := w.count(addr)
	change()
	var text string
	var err error
	waited := w.until("a hint for "+addr.String()+" after "+what, func() bool {
		now := w.count(addr)
		if now == before {
			return false
		}
		before = now
		text, err = s.store.Get(context.Background(), addr)
		return want(text, err)
	})
	if waited != nil && (text != "" || err != nil) {
		return fmt.Errorf("%w; after the hints until then Get returned %q, %v", waited, text, err)
	}
	return waited
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
		s.set(watchForeign, "nobody asked") // must not be told of
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
		if err := s.after(w, watchNone, "its first value", func() { s.set(watchNone, "came late") }, wantText("came late")); err != nil {
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
			// Only a hint that comes after the last change has begun counts. Every round has another last text: who compares
			// contents need not see what lies between.
			last := "last of round " + strconv.Itoa(round)
			err := s.after(w, watchA, "the last of "+strconv.Itoa(changes)+" changes", func() { s.set(watchA, last) }, wantText(last))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func watchSerial(s watched) error {
	s.reset()
	// A call that takes a moment shows another one beside it.
	w := s.watch(context.Background(), func(secret.Address) { <-time.After(2 * time.Millisecond) })
	err := w.settled()
	for i := 0; i < 3 && err == nil; i++ {
		text := "serial " + strconv.Itoa(i)
		err = s.after(w, watchA, "a change", func() {
			s.set(watchB, text)
			s.set(watchA, text)
		}, wantText(text))
	}
	return errors.Join(err, w.stop())
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
			case <-time.After(watchEnding): // this store gives way to no change while a call is under way
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
	err := w.until("the first hint", func() bool { return w.count() > 0 })
	if err == nil {
		<-changed
		addr := <-first
		err = w.until("another hint for "+addr.String()+", which changed during its first one,", func() bool { return w.count(addr) > 1 })
	}
	if err == nil {
		err = w.settled()
	}
	for _, addr := range watchAddrs {
		if got, failed := s.store.Get(context.Background(), addr); err == nil && !wantText(text)(got, failed) {
			err = fmt.Errorf("after its hints Get(%s) returned %q, %v; want %q", addr, got, failed, text)
		}
	}
	return errors.Join(err, w.stop())
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
			err = fmt.Errorf("after the first hint of a new Watch Get(%s) returned %q, %v; want what was set before it began", watchA, text, got)
		}
	}
	return errors.Join(err, w.stop())
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
		return errors.Join(err, other.stop())
	})
}

func watchEnd(s watched) error {
	s.reset()
	w := s.watch(context.Background(), nil)
	if err := errors.Join(w.settled(), w.stop()); err != nil {
		return err
	}
	before := w.count()
	s.set(watchA, "after the end")
	<-time.After(watchWindow)
	if after := w.count(); after != before {
		return fmt.Errorf("changed was called %d times after Watch had returned", after-before)
	}
	ended, cancel := context.WithCancelCause(context.Background())
	cancel(errWatchOver)
	return s.watch(ended, nil).stop()
}

func watchQuiet(s watched) error {
	return s.beside(func(w *watching) error {
		// A change first: who then forgets what it has told of tells of it again and again.
		err := s.after(w, watchA, "a change", func() { s.set(watchA, "calm") }, wantText("calm"))
		if err != nil {
			return err
		}
		before := w.count()
		<-time.After(watchCalm)
		if calls := w.count() - before; calls > len(watchAddrs) {
			return fmt.Errorf("%d calls of changed for %d addresses in %s in which nothing changed", calls, len(watchAddrs), watchCalm)
		}
		return nil
	})
}

func watchLeak(s watched) error {
	const cycles = 16
	once := func() error { return s.beside(func(*watching) error { return nil }) }
	if err := once(); err != nil { // what a client sets up for good is set up now
		return err
	}
	before := runtime.NumGoroutine()
	for range cycles {
		if err := once(); err != nil {
			return err
		}
	}
	limit := time.NewTimer(watchPatience)
	defer limit.Stop()
	for {
		left := runtime.NumGoroutine() - before
		if left < cycles/2 { // a pool of connections may have grown
			return nil
		}
		select {
		case <-limit.C:
			return fmt.Errorf("after %d Watches that returned %d goroutines more are running", cycles, left)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
