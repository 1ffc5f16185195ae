package keyring

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/timeout"
)

// pause is how long the store is left alone after it was asked for a version. Anybody can make up ids.
const pause = 10 * time.Second

// asking keeps the Signers and Sealers of a secret from asking its store too often.
type asking struct {
	answers atomic.Uint64 // that have come, failures among them

	mu    sync.Mutex
	begun time.Time
	err   error // of the last answer
}

// askings has one asking for each secret, as long as the secret lives.
var askings struct {
	sync.Mutex
	of map[weak.Pointer[secret.Secret]]*asking
}

func askingFor(s *secret.Secret) *asking {
	if s == nil {
		return new(asking) // every use fails before it asks
	}
	askings.Lock()
	defer askings.Unlock()
	p := weak.Make(s)
	if a := askings.of[p]; a != nil {
		return a
	}
	if askings.of == nil {
		askings.of = map[weak.Pointer[secret.Secret]]*asking{}
	}
	a := new(asking)
	askings.of[p] = a
	runtime.AddCleanup(s, func(p weak.Pointer[secret.Secret]) {
		askings.Lock()
		defer askings.Unlock()
		delete(askings.of, p)
	}, p)
	return a
}

// ask has s refreshed and waits for that, no longer than ctx. If the last time is less than the pause ago it only returns
// what is wrong since then.
func (a *asking) ask(ctx context.Context, s *secret.Secret) (asked bool, trouble error) {
	if ctx.Err() != nil {
		return false, gaveUp(ctx) // and leaves the turn to somebody who can wait
	}
	if turn, trouble := a.turn(time.Now()); !turn {
		return false, trouble
	}
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		bounded, cancel := timeout.Context(context.Background(), timeout.Default)
		defer cancel()
		err = s.Refresh(bounded)
		a.mu.Lock()
		a.err = err
		a.mu.Unlock()
		a.answers.Add(1)
	}()
	select {
	case <-done:
		return true, err
	case <-ctx.Done():
		return false, gaveUp(ctx)
	}
}

// turn takes the turn to ask, if there is one now. A clock that was put back gives one.
func (a *asking) turn(now time.Time) (turn bool, trouble error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if since := now.Sub(a.begun); !a.begun.IsZero() && 0 <= since && since < pause {
		return false, a.err
	}
	a.begun = now
	return true, nil
}

func gaveUp(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("gave up waiting: %w", cause)
	}
	return fmt.Errorf("gave up waiting: %w (%w)", cause, err)
}
