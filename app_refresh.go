package secret

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/layeron-hq/secret/internal/timeout"
)

// run starts the background work, unless the options require none. It fails if
// the App was closed meanwhile.
func (a *App) run() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == appClosed {
		return closedError()
	}
	a.state = appStarted
	if a.options.Refresh < 0 && a.options.MaxStale == 0 {
		return nil
	}
	ctx := a.lifetime
	a.running.Go(func() { a.keepFresh(ctx) })
	if a.options.Refresh > 0 {
		a.watch(ctx, a.secrets)
	}
	return nil
}

// wait waits for the background work and the running calls, for at most the
// timeout of a load.
func (a *App) wait(underWay []*calls) error {
	done := make(chan struct{})
	if a.left.Load() {
		close(done)
	} else {
		go func() {
			a.running.Wait()
			close(done)
		}()
	}
	limit := a.options.Timeout
	if limit < 0 {
		limit = timeout.Default // an App with a negative Timeout never starts
	}
	ctx, cancel := timeout.Context(context.Background(), limit)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		a.left.Store(true)
		return closeError("a store has not come back although its context has ended; its goroutine is left behind")
	}
	for _, run := range underWay {
		select {
		case <-run.done:
		case <-ctx.Done():
			a.changes.leave(underWay)
			return closeError("a function given to OnChange has not returned; its goroutine is left behind")
		}
	}
	return nil
}

func closeError(why string) error { return &Error{Op: "close", Err: errors.New(why)} }

// rarely is the number of rounds between two loads of a secret whose changes a
// Watcher reports.
const rarely = 10

// keepFresh runs the App's timer: it starts rounds, follows hints and expires
// stale secrets.
func (a *App) keepFresh(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next time.Time
	if a.options.Refresh > 0 {
		next = time.Now().Add(withJitter(a.options.Refresh))
	}
	for round := 0; ; {
		now := time.Now()
		if !next.IsZero() && !now.Before(next) {
			round++
			a.round(ctx, round)
			next = now.Add(withJitter(a.options.Refresh))
		}
		wakeAt := earlier(next, earlier(a.followHints(ctx, now), a.expireStale(now)))
		if wakeAt.IsZero() {
			wakeAt = now.Add(time.Hour)
		}
		timer.Reset(wakeAt.Sub(now))
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		case <-timer.C:
		}
	}
}

// withJitter changes d by up to 10 % either way, so that a thousand replicas do
// not ask the store at the same moment.
func withJitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// earlier returns the first of two instants; zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// round begins a load for every secret that is due in this round.
func (a *App) round(ctx context.Context, round int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	every := a.watchedRounds()
	var due []*appSecret
	for _, sec := range a.secrets {
		if sec.busy || sec.skips(sec.watched && round%every != 0) {
			continue
		}
		due = append(due, sec)
	}
	for _, r := range requests(due) {
		a.dispatch(ctx, r, false)
	}
}

// watchedRounds is the number of rounds between two loads of a watched secret:
// few loads, but in time for MaxStale.
func (a *App) watchedRounds() int {
	if a.options.MaxStale > 0 {
		return max(1, min(rarely, int(a.options.MaxStale/(2*a.options.Refresh))))
	}
	return rarely
}

// skips reports whether the round leaves the secret out: a Watcher reports its
// changes and its last load succeeded, or it has failed lately, or it was given
// to Use after Start and has not been read yet.
func (sec *appSecret) skips(watched bool) bool {
	sec.mu.Lock()
	defer sec.mu.Unlock()
	if sec.skip > 0 {
		sec.skip--
		return true
	}
	return watched && sec.err == nil || sec.doc == nil && !sec.missing && sec.err == nil
}

// hintsTogether is how much earlier than at its moment a hint is followed, with
// others. Each time the timer wakes up it looks at all secrets. The hints of a
// batch have one moment together: before it, only a part would be followed.
const hintsTogether = 10 * time.Millisecond

// followHints begins a load for every secret whose hint is due, and the Watches
// of late secrets. It returns the time of the next hint or Watch.
func (a *App) followHints(ctx context.Context, now time.Time) (next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next = a.watchLate(ctx, now)
	var due []*appSecret
	for _, sec := range a.secrets {
		switch {
		case sec.hinted.IsZero() || sec.busy: // settle wakes the timer when a busy secret is done
		case now.Before(sec.hinted) && (sec.batch != nil || now.Add(hintsTogether).Before(sec.hinted)):
			next = earlier(next, sec.hinted)
		default:
			sec.hinted, sec.repeats = time.Time{}, false
			due = append(due, sec)
		}
	}
	for _, r := range a.hintRequests(due) {
		a.dispatch(ctx, r, true)
	}
	return next
}

// expireStale makes reads of secrets fail that were not confirmed for MaxStale,
// and returns the time at which the next one expires.
func (a *App) expireStale(now time.Time) (next time.Time) {
	limit := a.options.MaxStale
	if limit == 0 {
		return next
	}
	for _, sec := range a.used() {
		sec.mu.Lock()
		ends, live := sec.lastSuccess.Add(limit), sec.live()
		sec.mu.Unlock()
		switch {
		case !live:
		case now.Before(ends):
			next = earlier(next, ends)
		default:
			sec.expire(now, limit)
		}
	}
	return next
}

// live reports whether reads return an answer of the store. The caller holds
// sec.mu.
func (sec *appSecret) live() bool { return sec.known() != nil && !sec.stale }

// becomesLive wakes the timer for MaxStale if sec was not live: the timer may be
// set for a later time. The caller holds sec.mu.
func (sec *appSecret) becomesLive() {
	if sec.app.options.MaxStale > 0 && !sec.live() {
		sec.app.wakeClock()
	}
}

// dispatch makes a request in the background; the caller holds a.mu. All requests
// for secrets that fail share a quarter of the places, so the others find a place
// even if every failing load hangs. With fresh, the result of a load under way is
// not enough: it may have begun before the change.
func (a *App) dispatch(ctx context.Context, r request, fresh bool) {
	ill := true
	for _, sec := range r.secrets {
		sec.busy = true
		sec.mu.Lock()
		ill = ill && sec.failures > 0
		sec.mu.Unlock()
	}
	a.running.Go(func() {
		defer a.settle(r.secrets)
		if ill && !take(ctx, a.failing) || !take(ctx, a.healthy) {
			return
		}
		defer func() {
			<-a.healthy
			if ill {
				<-a.failing
			}
		}()
		// Every request has its own limit. This limit is for a store that ignores its
		// context, or has not returned from an older load yet.
		bounded, cancel := timeout.Context(ctx, 2*a.options.Timeout)
		defer cancel()
		if fresh {
			r.awaitFlights(bounded)
		}
		_, errs := r.join(bounded, toFollow)
		if ctx.Err() != nil {
			return
		}
		var failed []*appSecret
		for i, sec := range r.secrets {
			if errs[i] != nil && !sec.lacks(errs[i]) {
				sec.overdue(errs[i])
				failed = append(failed, sec)
			}
		}
		if fresh {
			a.hintAgain(failed)
		}
	})
}

// take waits for a place. It takes none if ctx ends first.
func take(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// settle ends a dispatch and wakes the timer if a hint came meanwhile.
func (a *App) settle(secrets []*appSecret) {
	hinted := false
	a.mu.Lock()
	for _, sec := range secrets {
		sec.busy = false
		hinted = hinted || !sec.hinted.IsZero()
	}
	a.mu.Unlock()
	if hinted {
		a.wakeClock()
	}
}

func (a *App) wakeClock() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// overdue records that the store did not answer in time, if the load itself has
// not reported this yet: a store that ignores its context still holds the load.
func (sec *appSecret) overdue(err error) {
	sec.mu.Lock()
	flying := sec.flight != nil
	sec.mu.Unlock()
	if flying {
		sec.failed(err)
	}
}

// hintAgain repeats hints whose load failed, with a longer pause each time.
// Without it the changes would be found only by a later round. Secrets of one
// request that failed equally often are loaded together again.
func (a *App) hintAgain(secrets []*appSecret) {
	again := map[time.Duration]time.Time{} // by the length of the pause
	for _, sec := range secrets {
		sec.mu.Lock()
		pause := time.Second << min(sec.failures, 20)
		sec.mu.Unlock()
		if pause >= a.options.Refresh {
			continue // the rounds load it earlier: they treat a failing secret as unwatched
		}
		if again[pause].IsZero() {
			again[pause] = time.Now().Add(withJitter(pause))
		}
		a.mu.Lock()
		if sec.hinted.IsZero() {
			sec.hinted, sec.repeats = again[pause], true
		}
		a.mu.Unlock()
	}
}
