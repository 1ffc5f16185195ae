package secret

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	shortestRestart = 100 * time.Millisecond
	longestRestart  = 30 * time.Second
	hintSpread      = time.Second
)

// watch follows the stores of these secrets that are Watchers. The caller holds
// a.mu.
func (a *App) watch(ctx context.Context, secrets []*appSecret) {
	followed := map[Watcher][]*appSecret{}
	for _, sec := range secrets {
		w, ok := sec.store.(Watcher)
		switch {
		case !ok || sec.decl.err != nil:
		case !isComparable(w): // it cannot be a map key, so this secret has a Watch of its own
			a.beginWatch(ctx, w, []*appSecret{sec})
		default:
			followed[w] = append(followed[w], sec)
		}
	}
	for w, secrets := range followed {
		g := a.beginWatch(ctx, w, a.merged(w, secrets))
		a.watches = append(a.watches, g)
	}
}

// watchGroup is the secrets of one Watch. It never changes: the addresses of a
// Watch cannot change.
type watchGroup struct {
	watcher Watcher
	secrets []*appSecret
	end     context.CancelFunc
	near    bool // see isNear
}

// beginWatch begins one Watch. The caller holds a.mu.
func (a *App) beginWatch(ctx context.Context, w Watcher, secrets []*appSecret) *watchGroup {
	ctx, end := context.WithCancel(ctx)
	g := &watchGroup{w, secrets, end, isNear(w)}
	for _, sec := range secrets {
		sec.group, sec.watched = g, false
	}
	a.running.Go(func() {
		defer end()
		a.follow(ctx, g)
	})
	return g
}

// follow runs one Watcher, and starts it again when it stops, until ctx ends.
func (a *App) follow(ctx context.Context, g *watchGroup) {
	var addrs []Address
	byAddr := make(map[Address][]*appSecret, len(g.secrets))
	var watched []*appSecret
	for _, sec := range g.secrets {
		addr := sec.decl.addr
		same := byAddr[addr]
		switch {
		case len(same) == 0:
			addrs = append(addrs, addr)
		case same[0].decl.binding != sec.decl.binding:
			continue // a Watch has one name for an address; the rounds load this secret
		}
		byAddr[addr] = append(same, sec)
		watched = append(watched, sec)
	}
	ctx = boundAll(ctx, watched)
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause, told := shortestRestart, false
	for {
		began := time.Now()
		why := watchOnce(ctx, g.watcher, addrs, func(addr Address) {
			for _, sec := range byAddr[addr] {
				a.hint(g, sec)
			}
		})
		a.unwatched(g)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > longestRestart {
			pause, told = shortestRestart, false
		}
		if !told {
			a.log(slog.LevelWarn, "secret store no longer reports changes, polling until it does", "secrets", len(g.secrets),
				"error", why)
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

// watchOnce returns the reason why the Watcher stopped. A panic is a reason
// like an error.
func watchOnce(ctx context.Context, w Watcher, addrs []Address, changed func(Address)) (why string) {
	c := guard(func() {
		why = "Watch returned without an error"
		if err := w.Watch(ctx, addrs, changed); err != nil {
			why = err.Error()
		}
	})
	if c != nil {
		return c.why("Watch")
	}
	return why
}

// hint schedules a load within the next second, or at once if the store is on
// this machine. A thousand replicas get a hint at the same moment, so each picks
// a random delay.
func (a *App) hint(g *watchGroup, sec *appSecret) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := sec.group == g && !sec.watched
	sec.watched = sec.watched || sec.group == g
	if sec.unread() {
		return
	}
	// An earlier hint has picked a delay: another choice would make it shorter.
	if !sec.hinted.IsZero() && !sec.repeats && !g.near {
		return
	}
	at := time.Now()
	if spread := g.spread(first); spread > 0 {
		at = sec.batch.spread(at.Add(rand.N(spread)))
	}
	if sec.hinted.IsZero() || at.Before(sec.hinted) {
		sec.hinted, sec.repeats = at, false
		a.wakeClock()
	}
}

// nearSpread is the part of a second over which the first hints of a store on
// this machine are spread, for each secret: 10,000 secrets are not all loaded
// at one moment after Start.
const nearSpread = 100 * time.Microsecond

// spread returns the longest delay of a hint. The first hints of a Watch report
// no change.
func (g *watchGroup) spread(first bool) time.Duration {
	switch {
	case !g.near:
		return hintSpread
	case first:
		return min(hintSpread, time.Duration(len(g.secrets))*nearSpread)
	}
	return 0
}

// isNear reports whether a store is on this machine. No other machine asks it,
// so its reads need no spreading. A type of another package is never near, even
// if it embeds one of these.
func isNear(s any) bool {
	switch s := s.(type) {
	case dirStore, *Memory, *envStore:
		return true
	case interface{ links() *links }:
		for _, one := range s.links().stores {
			if !isNear(one) {
				return false
			}
		}
		return true
	}
	return false
}

// unwatched makes the rounds load the secrets of g every time again, except
// those that another Watch reports by now.
func (a *App) unwatched(g *watchGroup) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, sec := range g.secrets {
		if sec.group == g {
			sec.watched = false
		}
	}
}
