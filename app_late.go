package secret

import (
	"context"
	"slices"
	"time"
)

// lateSecrets are those given to Use after Start that have no Watch yet. App.mu
// guards them.
type lateSecrets struct {
	secrets []*appSecret
	due     time.Time // when their Watches begin
}

// lateFor is how long late secrets are collected, so that a thousand calls of
// Use begin one Watch.
const lateFor = time.Second

// followLater has the clock begin the Watches of secrets that were given to Use
// after Start. The caller holds a.mu.
func (a *App) followLater(secrets []*appSecret) {
	if a.state != appStarted || a.options.Refresh < 0 || len(secrets) == 0 {
		return
	}
	if len(a.late.secrets) == 0 {
		a.late.due = time.Now().Add(lateFor)
		a.wakeClock()
	}
	a.late.secrets = append(a.late.secrets, secrets...)
}

// watchLate begins the Watches that are due, and returns when the next ones
// are. The caller holds a.mu.
func (a *App) watchLate(ctx context.Context, now time.Time) (next time.Time) {
	if len(a.late.secrets) == 0 || now.Before(a.late.due) {
		return a.late.due
	}
	secrets := a.late.secrets
	a.late = lateSecrets{}
	a.watch(ctx, secrets)
	return next
}

// merged ends the Watches of w that have no more secrets than the new one, and
// returns the secrets of all. So a Watcher has few Watches, each larger than
// the next, and a secret moves to another Watch only if its Watch doubles:
// every move costs a load. The first hints of the new Watch report the
// changes that happen between the Watches. The caller holds a.mu.
func (a *App) merged(w Watcher, secrets []*appSecret) []*appSecret {
	for i := len(a.watches) - 1; i >= 0; i-- {
		if g := a.watches[i]; g.watcher == w && len(g.secrets) <= len(secrets) {
			g.end()
			secrets = slices.Concat(g.secrets, secrets)
			a.watches = slices.Delete(a.watches, i, i+1)
		}
	}
	return secrets
}

// unread reports whether sec was given to Use after Start and has not been read
// yet. Its first read finds every change until then.
func (sec *appSecret) unread() bool {
	sec.mu.Lock()
	defer sec.mu.Unlock()
	return sec.known() == nil && sec.err == nil && sec.flight == nil
}

// started reports whether the App has started and is not closed.
func (a *App) started() bool {
	if !a.made() {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state == appStarted
}

// take makes s read from the App of sec. The document that another App loaded
// is not refreshed any more. The caller holds claims.
func (sec *appSecret) take(s *Secret) {
	if s.loader.Load() != &sec.loader {
		s.loader.Store(&sec.loader)
		s.live.Store(sec.served)
	}
}

// dropOthers makes secrets that a failed Start has claimed read from this App,
// not return the last document of another one. The caller holds claims and
// a.mu.
func (a *App) dropOthers() {
	for _, sec := range a.secrets {
		for _, s := range sec.readers {
			if s.loader.Load() == &sec.loader && s.live.Load() != sec.served {
				s.live.Store(sec.served)
			}
		}
	}
}
