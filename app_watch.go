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

// watch follows every store that is a Watcher; a.mu is held.
func (a *App) watch(ctx context.Context) {
	followed := map[Watcher][]*appSecret{}
	for _, sec := range a.secrets {
		w, ok := sec.store.(Watcher)
		switch {
		case !ok:
		case !isComparable(w): // it cannot be a key, so it is watched for this secret alone
			a.running.Go(func() { a.follow(ctx, w, []*appSecret{sec}) })
		default:
			followed[w] = append(followed[w], sec)
		}
	}
	for w, secrets := range followed {
		a.running.Go(func() { a.follow(ctx, w, secrets) })
	}
}

// follow keeps one Watcher running until ctx ends.
func (a *App) follow(ctx context.Context, w Watcher, secrets []*appSecret) {
	addrs := make([]Address, len(secrets))
	byAddr := make(map[Address]*appSecret, len(secrets))
	for i, sec := range secrets {
		addrs[i] = sec.decl.addr
		byAddr[sec.decl.addr] = sec
	}
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
			a.log(slog.LevelWarn, "secret store no longer tells of changes, polling until it does", "secrets", len(secrets), "error", why)
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

// watchOnce returns why the Watcher has stopped. One that panics is begun again
// like one that returns an error.
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

// hint schedules a load. A thousand replicas get a hint at once, so loads are
// spread over a second.
func (a *App) hint(sec *appSecret) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sec.watched = true
	if sec.hinted.IsZero() {
		sec.hinted = time.Now().Add(rand.N(hintSpread))
		a.wakeClock()
	}
}

// unwatched returns secrets to polling every round.
func (a *App) unwatched(secrets []*appSecret) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, sec := range secrets {
		sec.watched = false
	}
}
