package secret

import (
	"bytes"
	"log/slog"
	"runtime"
	"slices"
	"sync"
)

// Change reports that a secret has another current value. It holds ids, never a
// value. Old and New are equal if the value changed under one id; that is
// always so for a plain value, whose id is always v1.
type Change struct {
	Address  Address
	Old, New string
}

// changeFeed passes changes to the functions given to OnChange. Each function
// has its own queue and, while the queue is not empty, its own goroutine, so a
// slow function does not delay the others.
type changeFeed struct {
	mu        sync.Mutex
	listeners []*listener
	working   map[*calls]struct{}
	closed    bool
}

// listener is one function given to OnChange. The feed's lock guards its queue.
type listener struct {
	call    func(Change)
	crashed func(*crash)
	queue   []Change
	working bool
}

// calls is a series of calls to one function, without a pause.
type calls struct {
	by   string        // the goroutine of the running call, guarded by the feed; empty: none yet
	done chan struct{} // closed after the last call
}

// OnChange registers call for every change of a current value that a refresh
// finds, until stop or Close. Calls to one function are serial and follow the
// order of the changes of each secret. A call may block: it delays neither
// refreshing nor other functions. If call panics, the App logs the type of the
// panic's value and continues.
//
// stop may be called several times, also by the function itself. It does not
// wait for a running call.
func (a *App) OnChange(call func(Change)) (stop func()) {
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
	f := &a.changes
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return func() {}
	}
	f.listeners = append(f.listeners, l)
	return func() { f.stop(l) }
}

func (f *changeFeed) stop(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l.queue = nil
	f.listeners = slices.DeleteFunc(f.listeners, func(other *listener) bool { return other == l })
}

func (f *changeFeed) send(c Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listeners {
		l.queue = append(l.queue, c)
		if !l.working {
			l.working = true
			run := &calls{done: make(chan struct{})}
			if f.working == nil {
				f.working = map[*calls]struct{}{}
			}
			f.working[run] = struct{}{}
			go f.work(l, run)
		}
	}
}

// close stops all listeners and drops the changes in their queues. It returns
// the running calls, except the one that calls close.
func (f *changeFeed) close() (underWay []*calls) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listeners {
		l.queue = nil
	}
	f.listeners, f.closed = nil, true
	caller := goroutine()
	for run := range f.working {
		if run.by != caller {
			underWay = append(underWay, run)
		}
	}
	return underWay
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
			f.enter(run)
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

func (f *changeFeed) enter(run *calls) {
	f.mu.Lock()
	defer f.mu.Unlock()
	run.by = goroutine()
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
