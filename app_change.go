package secret

import (
	"slices"
	"sync"
)

// Change tells that a secret has another current value. It holds ids, never a value. Old and New are equal where the text
// changed under one id, as a plain value does, which is always v1.
type Change struct {
	Address  Address
	Old, New string
}

// changeFeed hands changes to whoever asked for them: each listener has a queue and, while there is something in it, a
// goroutine of its own, so that a slow one holds up nobody.
type changeFeed struct {
	mu        sync.Mutex
	listeners []*listener
	closed    bool
}

type listener struct {
	call    func(Change)
	logged  func(panicked any)
	mu      sync.Mutex
	queue   []Change
	working bool
	stopped bool
}

// OnChange has call called for every change of a current value that a refresh finds, from now until stop or Close. Calls to
// one function come one after another, in the order of the changes of each secret. A call may take its time: refreshing and
// other functions don't wait for it. A panic in it is logged and ends nothing.
//
// stop may be called several times, also by the function itself; a call under way is not waited for.
func (a *App) OnChange(call func(Change)) (stop func()) {
	l := &listener{call: call, logged: func(p any) {
		a.logger().Error("a function given to OnChange panicked", "type", typeName(p))
	}}
	a.changes.mu.Lock()
	defer a.changes.mu.Unlock()
	if a.changes.closed {
		return func() {}
	}
	a.changes.listeners = append(a.changes.listeners, l)
	return func() {
		l.stop()
		a.changes.forget(l)
	}
}

func (f *changeFeed) forget(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = slices.DeleteFunc(f.listeners, func(other *listener) bool { return other == l })
}

func (f *changeFeed) send(c Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listeners {
		l.put(c)
	}
}

// close stops all listeners: what they have not heard yet they will not.
func (f *changeFeed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listeners {
		l.stop()
	}
	f.listeners, f.closed = nil, true
}

func (l *listener) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped, l.queue = true, nil
}

func (l *listener) put(c Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return
	}
	l.queue = append(l.queue, c)
	if !l.working {
		l.working = true
		go l.work()
	}
}

// work makes the calls that are due, and ends when there are none.
func (l *listener) work() {
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.working = false
			l.mu.Unlock()
			return
		}
		c := l.queue[0]
		l.queue = l.queue[1:]
		l.mu.Unlock()
		l.safely(c)
	}
}

func (l *listener) safely(c Change) {
	defer func() {
		if p := recover(); p != nil {
			l.logged(p)
		}
	}()
	l.call(c)
}
