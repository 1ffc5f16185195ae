package secrettest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layeron-hq/secret"
)

// TestWatcher runs a subtest for each promise of a [secret.Watcher]:
//
//   - initial: every address gets a hint when Watch begins, with or without a
//     value, and no other address does;
//   - change: a hint follows a new value, a deletion and a value that comes
//     back, and Get then returns that state;
//   - burst: however fast changes come, a hint follows the last one;
//   - serial: one call of changed ends before the next begins;
//   - subscribed: a change during the first hints is reported too;
//   - gap: a new Watch finds the changes made while there was no Watch;
//   - several: so do Watches that run at the same time;
//   - end: when its context ends Watch returns the cause, soon, and does not
//     call changed again;
//   - binding: a secret with an Options.Binding is watched under that name, as
//     [secret.BindingOf] returns it from Watch's context;
//   - quiet: without changes there are few calls;
//   - leak: a Watch that has returned leaves no goroutine behind.
//
// It calls open once in each subtest, with that subtest's t. open returns a
// store that is also a Watcher, and functions that change its content from
// outside and return when that is done; put clean-up into t.Cleanup. The store
// may hold anything at first, also values from an earlier subtest: addresses
// are all in the namespace "watch".
//
// A fault is reported once, with its cure. A subtest that finds only a fault that
// an earlier one has reported is skipped, and so are all others if "initial"
// fails.
//
// It works in real time, and in a bubble of testing/synctest if the store does.
// Nothing else that starts goroutines may run meanwhile: no parallel test.
func TestWatcher(t *testing.T, open func(t *testing.T) (store secret.Store, set func(addr secret.Address, text string),
	remove func(addr secret.Address))) {
	t.Helper()
	var reports reports
	var first string
	for _, c := range watchChecks {
		t.Run(c.name, func(t *testing.T) {
			if first != "" {
				t.Skipf("it needs the first hints, which the subtest %q has not got", first)
			}
			store, set, remove := open(t)
			w, ok := store.(secret.Watcher)
			if !ok {
				t.Fatalf("%T is no secret.Watcher", store)
			}
			if err := c.run(watched{store, w, set, remove}); err != nil {
				reports.report(t, c.name, []error{err})
				if c.name == watchChecks[0].name {
					first = c.name
				}
			}
		})
	}
}

// watched is the store under test and its functions.
type watched struct {
	store  secret.Store
	w      secret.Watcher
	set    func(secret.Address, string)
	remove func(secret.Address)
}

const (
	// watchTimeout is the limit for every promised hint.
	watchTimeout = 30 * time.Second
	// watchEnding is how long Watch may take to return: an App's Close waits no
	// longer by default.
	watchEnding = 10 * time.Second
)

// Tests of this package shorten these.
var (
	// watchWindow is how long a check waits for calls that should not come.
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

// reset sets the store to a known state.
func (s watched) reset() {
	s.set(watchA, "first a")
	s.set(watchB, "first b")
	s.remove(watchNone)
}

// watch begins a Watch under ctx; during is called in every call of changed and
// may be nil.
func (s watched) watch(ctx context.Context, during func(secret.Address)) *watching {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watching{cancel: cancel, returned: make(chan struct{}), news: make(chan struct{}, 1),
		calls: map[secret.Address]int{}}
	go func() {
		defer close(w.returned)
		w.err = s.w.Watch(ctx, watchAddrs, func(addr secret.Address) { w.call(addr, during) })
	}()
	return w
}

// watching is a running Watch and the calls that it has made.
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
		w.fault = serial.broken("changed was called while another call of it was under way")
	}
	if addr != watchA && addr != watchB && addr != watchNone {
		w.fault = only.broken("changed was called for %s, which was not asked for", addr)
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

// count returns the number of calls that have returned, for one address or for
// all.
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

// until waits for a state that calls cause, as p promises.
func (w *watching) until(p promise, what string, done func() bool) error {
	limit := time.NewTimer(watchTimeout)
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
			return stays.broken("the Watcher's Watch returned although its context goes on: %v", w.err)
		case <-limit.C:
			return p.broken("%s did not come within %s", what, watchTimeout)
		}
	}
}

// settled waits for the first hints.
func (w *watching) settled() error {
	for _, addr := range watchAddrs {
		hinted := func() bool { return w.count(addr) > 0 }
		if err := w.until(firstHint, "the first hint for "+addr.String(), hinted); err != nil {
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
		return stops.broken("the Watcher's Watch did not return within %s of its context's end", watchEnding)
	}
	switch err := w.faulty(); {
	case err != nil:
		return err
	case w.err == nil:
		return ended.broken("the Watcher's Watch returned nil; want its context's cause")
	case !errors.Is(w.err, errWatchOver):
		return ended.broken("the Watcher's Watch returned %w; want its context's cause", w.err)
	}
	return nil
}

// beside runs f while a Watch is running that has given its first hints, and
// then ends the Watch.
func (s watched) beside(f func(*watching) error) error {
	s.reset()
	w := s.watch(context.Background(), nil)
	err := w.settled()
	if err == nil {
		err = f(w)
	}
	return cmp.Or(err, w.stop())
}

// after makes a change and waits for a hint after which Get returns what want
// accepts.
func (s watched) after(w *watching, addr secret.Address, what string, change func(), want func(text string,
	err error) bool) error {
	return s.afterIn(context.Background(), w, addr, what, change, want)
}

// afterIn is after with a context for Get.
func (s watched) afterIn(ctx context.Context, w *watching, addr secret.Address, what string, change func(),
	want func(text string, err error) bool) error {
	before := w.count(addr)
	change()
	var text string
	var err error
	waited := w.until(laterHint, "a hint for "+addr.String()+" after "+what, func() bool {
		now := w.count(addr)
		if now == before {
			return false
		}
		before = now
		text, err = s.store.Get(ctx, addr)
		return want(text, err)
	})
	if waited != nil && (text != "" || err != nil) {
		return under(waited, current.cure, fmt.Sprintf("%%w; after the hints until then Get returned %s",
			strings.ReplaceAll(fmt.Sprintf("%q, %v", text, err), "%", "%%")))
	}
	return waited
}
