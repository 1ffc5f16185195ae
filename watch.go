package secret

import (
	"context"
	"math/rand/v2"
	"time"
)

// Watcher is an optional interface of a [Store] that can tell of changes. An App follows it.
//
// Watch calls changed for an address whose value may have changed since the last call, until ctx ends or delivery can't be
// promised any more. A call is a hint and carries no value: the App calls Get, which after a hint must return the state
// that it was about or a later one.
//
// Watch subscribes first, then calls changed once for every address, which closes the gap, then on changes; a deletion is
// a change. It may join hints, but one call always follows the last change. Calls are serial, and changed never blocks.
// Watch notices a dead peer within 30 seconds, and never retries in silence across a gap: it returns a non-nil error, ctx's
// cause or why delivery stopped, and after that nothing of it is left running. The App starts it again.
//
// secrettest.TestWatcher tells whether a Watcher behaves.
type Watcher interface {
	Watch(ctx context.Context, addrs []Address, changed func(Address)) error
}

const (
	shortestRestart = 100 * time.Millisecond
	longestRestart  = 30 * time.Second
	hintSpread      = time.Second
)

// watch follows every store that can tell of changes; a.mu is held.
func (a *App) watch(ctx context.Context) {
	followed := map[Watcher][]*slot{}
	for _, sl := range a.slots {
		w, ok := sl.store.(Watcher)
		switch {
		case !ok:
		case !isComparable(w): // it cannot be a key, so it is watched for this secret alone
			a.running.Go(func() { a.follow(ctx, w, []*slot{sl}) })
		default:
			followed[w] = append(followed[w], sl)
		}
	}
	for w, slots := range followed {
		a.running.Go(func() { a.follow(ctx, w, slots) })
	}
}

// follow keeps one Watcher going until ctx ends.
func (a *App) follow(ctx context.Context, w Watcher, slots []*slot) {
	addrs := make([]Address, len(slots))
	byAddr := make(map[Address]*slot, len(slots))
	for i, sl := range slots {
		addrs[i] = sl.decl.addr
		byAddr[sl.decl.addr] = sl
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause, told := shortestRestart, false
	for {
		began := time.Now()
		err := w.Watch(ctx, addrs, func(addr Address) {
			if sl := byAddr[addr]; sl != nil {
				a.hint(sl)
			}
		})
		a.unwatched(slots)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > longestRestart {
			pause, told = shortestRestart, false
		}
		if !told {
			why := "Watch returned without an error"
			if err != nil {
				why = err.Error()
			}
			a.logger().Warn("secret store no longer tells of changes, polling until it does", "secrets", len(slots), "error", why)
			told = true
		}
		timer.Reset(pause/2 + rand.N(pause/2+1))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		pause = min(2*pause, longestRestart)
	}
}

// hint notes that sl is to be looked at soon. The looks are spread over a second: a thousand replicas hear at once.
func (a *App) hint(sl *slot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sl.watched = true
	if sl.hinted.IsZero() {
		sl.hinted = time.Now().Add(rand.N(hintSpread))
		a.rouse()
	}
}

// unwatched puts slots back to polling every round.
func (a *App) unwatched(slots []*slot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, sl := range slots {
		sl.watched = false
	}
}
