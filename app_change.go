package secret

import (
	"bytes"
	"log/slog"
	"runtime"
	"slices"
	"sync"
)

// changeFeed passes changes to the functions given to OnChange. Each function
// has its own queue and, while the queue is not empty, its own goroutine, so a
// slow function does not delay the others.
type changeFeed struct {
	mu        sync.Mutex
	listeners []*listener
	working   map[*calls]struct{}
	closed    bool
	expiry    expiryTimer
}

// listener is one function given to OnChange. The feed's lock guards its queue.
type listener struct {
	call    func(Change)
	only    map[Address]bool // nil: the changes of all secrets
	crashed func(*crash)
	queue   []Change
	working bool
}

// calls is a series of calls to one function, without a pause.
type calls struct {
	done    chan struct{} // closed after the last call
	closing int           // the calls of Close that the running call waits for, guarded by callers
}

// callers holds the running calls of functions given to OnChange, of all Apps,
// by the number of their goroutine. Its lock is taken last.
var callers struct {
	mu sync.Mutex
	of map[string]*calls // made by the first call, so that a Worker without an App does not link it
}

// OnChange registers call for every [Change] of the given secrets, or of all
// secrets of the App if none are given, until stop or Close. Secrets are
// compared by their addresses. A first document is no change.
//
// A function that is registered after Start misses nothing: if a secret has
// changed since Start loaded it, call is called once for the secret with one
// Change for everything since then. Old is then the version that was current
// after Start; CurrentChanged is true even if the first value is current again;
// and Ended has the ids of all versions that have ended since then, also of
// those that were not in the document of Start (the last 10,000). Before Start,
// and for a secret that was given to Use after Start, the first document that
// was loaded takes the place of Start's.
//
// The App notices that a version expires, at its time by the clock of the
// machine, or up to a minute later where the clock was set or the machine was
// suspended. On js/wasm, where nothing runs in the background, it notices at
// the next load of the secret.
//
// Calls to one function are serial: for each secret they follow the order of
// its changes, and reads in a call return the changed document or a later one.
// Calls to several functions are concurrent. A call may block: it delays neither
// refreshing nor other functions. If call panics, the App logs the type of the
// panic's value and continues.
//
// stop may be called several times, also by the function itself. It does not
// wait for a running call.
func (a *App) OnChange(call func(Change), secrets ...*Secret) (stop func()) {
	if !a.made() {
		return func() {}
	}
	l := &listener{call: call, crashed: func(c *crash) {
		if c.kind == "" {
			a.log(slog.LevelError, "a function given to OnChange ended its goroutine")
			return
		}
		a.log(slog.LevelError, "a function given to OnChange panicked", "type", c.kind)
	}}
	for i, s := range secrets {
		if i == 0 {
			l.only = make(map[Address]bool, len(secrets))
		}
		l.only[s.Address()] = true
	}
	a.tellExpired(wallClock()) // versions that have expired without a timer belong to the past
	if !a.register(l) {
		return func() {}
	}
	a.tellExpired(wallClock()) // sets the timer
	return func() { a.changes.stop(l) }
}

// register adds l, with a Change for every secret that has changed since Start.
// It returns false if the App is closed.
func (a *App) register(l *listener) bool {
	claims.Lock()
	defer claims.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	f := &a.changes
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.listeners = append(f.listeners, l)
	for _, sec := range a.secrets {
		if sec.told != nil && sec.told.since != nil && sec.serves() {
			f.enqueue(l, *sec.told.since)
		}
	}
	return true
}

func (f *changeFeed) stop(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l.queue = nil
	f.listeners = slices.DeleteFunc(f.listeners, func(other *listener) bool { return other == l })
	if len(f.listeners) == 0 {
		f.expiry.stop()
	}
}

func (f *changeFeed) send(c Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listeners {
		f.enqueue(l, c)
	}
}

// enqueue adds c to the queue of l, if it is for l. The caller holds f.mu.
func (f *changeFeed) enqueue(l *listener, c Change) {
	if l.only != nil && !l.only[c.Address] {
		return
	}
	l.queue = append(l.queue, c.clone())
	if l.working {
		return
	}
	l.working = true
	run := &calls{done: make(chan struct{})}
	if f.working == nil {
		f.working = map[*calls]struct{}{}
	}
	f.working[run] = struct{}{}
	go f.work(l, run)
}

// close stops all listeners and drops the changes in their queues. It returns
// the running calls that Close waits for, and a function to call after the wait.
//
// A call that calls Close does not wait for itself, nor for other calls, of any
// App, that wait in Close: these may wait for this one. So no calls wait for
// each other in a circle, as each waits only for calls that were not in Close
// when its own wait began.
func (f *changeFeed) close() (underWay []*calls, waited func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listeners {
		l.queue = nil
	}
	f.listeners, f.closed = nil, true
	f.expiry.stop()
	callers.mu.Lock()
	defer callers.mu.Unlock()
	self := callers.of[goroutine()]
	for run := range f.working {
		if self == nil || run != self && run.closing == 0 {
			underWay = append(underWay, run)
		}
	}
	if self == nil {
		return underWay, func() {}
	}
	self.closing++
	return underWay, func() {
		callers.mu.Lock()
		defer callers.mu.Unlock()
		self.closing--
	}
}

// leave makes later calls of Close not wait for these, which have not returned
// in time.
func (f *changeFeed) leave(underWay []*calls) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, run := range underWay {
		delete(f.working, run)
	}
}

// work makes the calls for the changes in the queue, and returns when the queue
// is empty.
func (f *changeFeed) work(l *listener, run *calls) {
	defer close(run.done)
	for {
		c, due := f.next(l, run)
		if !due {
			return
		}
		crashed := guard(func() {
			defer run.enter()()
			l.call(c)
		})
		if crashed != nil {
			l.crashed(crashed)
		}
	}
}

// next takes a change out of the queue. If the queue is empty, it ends the run.
func (f *changeFeed) next(l *listener, run *calls) (c Change, due bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(l.queue) == 0 {
		l.working = false
		delete(f.working, run)
		return c, false
	}
	c, l.queue = l.queue[0], l.queue[1:]
	return c, true
}

// enter records that the calling goroutine makes a call of run, until exit.
func (run *calls) enter() (exit func()) {
	by := goroutine()
	if by == "" {
		return func() {}
	}
	callers.mu.Lock()
	defer callers.mu.Unlock()
	if callers.of == nil {
		callers.of = map[string]*calls{}
	}
	callers.of[by] = run
	return func() {
		callers.mu.Lock()
		defer callers.mu.Unlock()
		delete(callers.of, by)
	}
}

// goroutine returns the number of the calling goroutine. Close uses it: a
// function that closes its own App must not wait for itself. If the form of a
// stack trace changes, the result is empty, and such a Close waits until its
// time limit.
func goroutine() string {
	var b [64]byte
	trace := b[:runtime.Stack(b[:], false)]
	number, ok := bytes.CutPrefix(trace, []byte("goroutine "))
	end := bytes.IndexByte(number, ' ')
	if !ok || end < 0 {
		return ""
	}
	return string(number[:end])
}
