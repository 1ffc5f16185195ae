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

// watch follows every store that is a Watcher. The caller holds a.mu.
func (a *App) watch(ctx context.Context) {
	followed := map[Watcher][]*appSecret{}
	for _, sec := range a.secrets {
		w, ok := sec.store.(Watcher)
		switch {
		case !ok:
		case !isComparable(w): // it cannot be a map key, so this secret has a Watch of its own
			a.running.Go(func() { a.follow(ctx, w, []*appSecret{sec}) })
		default:
			followed[w] = append(followed[w], sec)
		}
	}
	for w, secrets := range followed {
		a.running.Go(func() { a.follow(ctx, w, secrets) })
	}
}

// follow runs one Watcher, and starts it again when it stops, until ctx ends.
func (a *App) follow(ctx context.Context, w Watcher, secrets []*appSecret) {
	addrs := make([]Address, len(secrets))
	byAddr := make(map[Address]*appSecret, len(secrets))
	for i, sec := range secrets {
		addrs[i] = sec.decl.addr
		byAddr[sec.decl.addr] = sec
	}
	ctx = boundAll(ctx, secrets)
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause, told := shortestRestart, false
	for {
		began := time.Now()
		why := watchOnce(ctx, w, addrs, func(addr Address) {
			if sec := byAddr[addr]; sec != nil {
				a.hint(sec)
			}
		})
		a.unwatched(secrets)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > longestRestart {
			pause, told = shortestRestart, false
		}
		if !told {
			a.log(slog.LevelWarn, "secret store no longer reports changes, polling until it does", "secrets", len(secrets),
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

// hint schedules a load within the next second. A thousand replicas get a hint
// at the same moment, so each picks a random delay.
func (a *App) hint(sec *appSecret) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sec.watched = true
	if sec.hinted.IsZero() {
		sec.hinted = sec.batch.spread(time.Now().Add(rand.N(hintSpread)))
		a.wakeClock()
	}
}

// unwatched makes the rounds load these secrets every time again.
func (a *App) unwatched(secrets []*appSecret) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, sec := range secrets {
		sec.watched = false
	}
}
