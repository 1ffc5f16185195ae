package keyring

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/family"
	"github.com/layeron-hq/secret/internal/timeout"
)

// pause is the least time between the beginnings of two refreshes that unknown
// versions cause. Any client can make up ids.
const pause = 10 * time.Second

// refresher limits how often the Signers, Sealers and Finds of a secret and its
// copies ask the store.
type refresher struct {
	answers atomic.Uint64 // refreshes that have ended, failed ones included

	mu    sync.Mutex
	begun time.Time // of the last refresh
	last  *refresh  // nil: none yet
	over  bool      // last has ended
}

// refresh is one refresh, shared by every caller with an unknown version.
type refresh struct {
	done chan struct{} // closed when err is set
	err  error
}

// refresherFor returns the refresher that s shares with its copies.
func refresherFor(s *secret.Secret) *refresher {
	f := family.Of(s)
	if f == nil {
		return new(refresher) // every use fails before it asks the store
	}
	if r, ok := f.Shared.Load().(*refresher); ok {
		return r
	}
	f.Shared.CompareAndSwap(nil, new(refresher))
	return f.Shared.Load().(*refresher)
}

// ended returns the number of refreshes that have ended so far.
func (r *refresher) ended() uint64 { return r.answers.Load() }

// refresh waits for a refresh of s, no longer than ctx: for the one under way,
// else for a new one. If the last refresh has ended and began less than the
// pause ago, refresh only returns its error.
func (r *refresher) refresh(ctx context.Context, s *secret.Secret) error {
	if ctx.Err() != nil {
		return gaveUp(ctx) // begins no refresh: a caller that can wait should begin it
	}
	one, over := r.join(time.Now(), s)
	if over {
		// Its channel may belong to another bubble of testing/synctest, where a receive
		// ends the program.
		return one.err
	}
	select {
	case <-one.done:
		return one.err
	case <-ctx.Done():
		return gaveUp(ctx)
	}
}

// join returns the last refresh and whether it has ended, or begins a new one
// if the pause is over. A clock that was put back also ends the pause, unless a
// refresh is under way.
func (r *refresher) join(now time.Time, s *secret.Secret) (one *refresh, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != nil {
		since := now.Sub(r.begun)
		if since < 0 && !r.over || 0 <= since && since < pause {
			return r.last, r.over
		}
	}
	one = &refresh{done: make(chan struct{})}
	r.begun, r.last, r.over = now, one, false
	go r.run(one, s)
	return one, false
}

// Forget lets the next caller ask the store at once. A test whose secret reads
// another store calls it through package secrettest.
func (r *refresher) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = nil
}

// run asks the store, with a time limit of its own: a caller that leaves does
// not end it.
func (r *refresher) run(one *refresh, s *secret.Secret) {
	ctx, cancel := timeout.Context(context.Background(), timeout.Default)
	defer cancel()
	one.err = s.Refresh(ctx)
	r.answers.Add(1)
	r.mu.Lock()
	r.over = r.over || r.last == one
	r.mu.Unlock()
	close(one.done)
}

func gaveUp(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return wrap("gave up waiting", cause)
	}
	return fail("gave up waiting: "+cause.Error()+" ("+err.Error()+")", cause, err)
}
