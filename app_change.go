package secret

import (
	"bytes"
	"log/slog"
	"runtime"
	"slices"
	"sync"
)

// Change tells that a secret has another current value. It holds ids, never a value. Old and New are equal where the text
// changed under one id, as a plain value does, which is always v1.
type Change struct {
	Address  Address
	Old, New string
}

// changeFeed hands changes to the functions given to OnChange: each has a queue
// and, while there is something in it, a goroutine of its own, so that a slow
// one holds up no other.
type changeFeed struct {
	mu        sync.Mutex
	listeners []*listener
	working   map[*calls]struct{}
	closed    bool
}

// listener is one function given to OnChange. Its queue is guarded by the feed.
type listener struct {
	call    func(Change)
	crashed func(*crash)
	queue   []Change
	working bool
}

// calls is a run of calls to one function.
type calls struct {
	by   string        // the goroutine of the call under way, guarded by the feed; empty: none yet
	done chan struct{} // closed after the last call
}

// OnChange has call called for every change of a current value that a refresh finds, from now until stop or Close. Calls to
// one function come one after another, in the order of the changes of each secret. A call may take its time: refreshing and
// other functions don't wait for it. A panic in it is logged by its type and ends nothing.
//
// stop may be called several times, also by the function itself; a call under way is not waited for.
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

// close stops all listeners: the changes that wait are dropped. It returns the
// calls under way, but for the one that calls close.
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

// work makes the calls that are due, and ends when there are none.
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

// next takes a change out of the queue. Where there is none it ends the run.
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

// goroutine returns the number of the calling goroutine. Close asks for it: a
// function that closes its own App must not wait for itself. Where the form of a
// stack trace changes the result is empty, and such a Close waits for its limit.
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
