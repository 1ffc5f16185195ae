package keyring

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/timeout"
)

// pause is the time for which the store is left alone after it was asked for a
// version. Any client can make up ids.
const pause = 10 * time.Second

// refresher keeps the Signers and Sealers of a secret from asking its store too
// often.
type refresher struct {
	answers atomic.Uint64 // that have come, failures among them

	mu    sync.Mutex
	begun time.Time
	err   error // of the last answer
}

// refreshers has one refresher for each secret, as long as the secret lives.
var refreshers struct {
	sync.Mutex
	of map[weak.Pointer[secret.Secret]]*refresher
}

func refresherFor(s *secret.Secret) *refresher {
	if s == nil {
		return new(refresher) // every use fails before it asks
	}
	refreshers.Lock()
	defer refreshers.Unlock()
	p := weak.Make(s)
	if r := refreshers.of[p]; r != nil {
		return r
	}
	if refreshers.of == nil {
		refreshers.of = map[weak.Pointer[secret.Secret]]*refresher{}
	}
	r := new(refresher)
	refreshers.of[p] = r
	runtime.AddCleanup(s, func(p weak.Pointer[secret.Secret]) {
		refreshers.Lock()
		defer refreshers.Unlock()
		delete(refreshers.of, p)
	}, p)
	return r
}

// refresh has s refreshed and waits for that, no longer than ctx. If the last
// refresh is less than the pause ago it only returns its error.
func (r *refresher) refresh(ctx context.Context, s *secret.Secret) (asked bool, trouble error) {
	if ctx.Err() != nil {
		return false, gaveUp(ctx) // and leaves the turn to a caller that can wait
	}
	if turn, trouble := r.turn(time.Now()); !turn {
		return false, trouble
	}
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		bounded, cancel := timeout.Context(context.Background(), timeout.Default)
		defer cancel()
		err = s.Refresh(bounded)
		r.mu.Lock()
		r.err = err
		r.mu.Unlock()
		r.answers.Add(1)
	}()
	select {
	case <-done:
		return true, err
	case <-ctx.Done():
		return false, gaveUp(ctx)
	}
}

// turn takes the turn to refresh, if there is one now. A clock that was put
// back gives one.
func (r *refresher) turn(now time.Time) (turn bool, trouble error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if since := now.Sub(r.begun); !r.begun.IsZero() && 0 <= since && since < pause {
		return false, r.err
	}
	r.begun = now
	return true, nil
}

func gaveUp(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return wrap("gave up waiting", cause)
	}
	return fail("gave up waiting: "+cause.Error()+" ("+err.Error()+")", cause, err)
}
