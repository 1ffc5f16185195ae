package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/driver/drivertest"
)

// slowTarget is a target in which each request takes a while, and which stops
// as a driver.Publisher should. at is called with the name of each request.
type slowTarget struct {
	*drivertest.MemoryPublisher
	takes   time.Duration
	at      func(request string, n int)
	pending bool
}

func (p *slowTarget) Publish(ctx context.Context, items []driver.Item) []error {
	return each(slices.Clone(items), func(item driver.Item) error {
		p.at("publish", slices.IndexFunc(items, func(i driver.Item) bool { return i.Name == item.Name }))
		if err := driver.Stopped(ctx); err != nil {
			return driver.NotApplied(err)
		}
		time.Sleep(p.takes)
		return errors.Join(p.MemoryPublisher.Publish(ctx, []driver.Item{item})...)
	})
}

func (p *slowTarget) Inspect(ctx context.Context, names []string) (map[string]driver.Published, error) {
	for n := range names {
		p.at("inspect", n)
		if err := sleepUnless(ctx, p.takes); err != nil {
			return nil, err
		}
	}
	found, err := p.MemoryPublisher.Inspect(ctx, names)
	for name, f := range found {
		f.Pending = p.pending
		found[name] = f
	}
	return found, err
}

func sleepUnless(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// slowLedger is a ledger whose loads take a while.
type slowLedger struct {
	*MemoryLedger
	takes time.Duration
	at    func(request string, n int)
}

func (l slowLedger) Load(ctx context.Context) (State, Revision, error) {
	l.at("load", 0)
	if err := sleepUnless(ctx, l.takes); err != nil {
		return State{}, "", err
	}
	return l.MemoryLedger.Load(ctx)
}

// In every phase of an interruption, a run of many secrets ends within
// the time of one request: it begins no other. Its report claims only what the
// target has confirmed, nothing is lost, and the next run finishes the rest.
func TestAnInterruptedRunEndsSoon(t *testing.T) {
	const n = 50
	var keys []*secret.Secret
	for i := range n {
		keys = append(keys, aRandom(fmt.Sprintf("key-%02d", i), retained(10)))
	}
	for name, test := range map[string]struct {
		request  string
		n        int
		pending  bool
		sent     int // the values in the target when the run ends
		recorded bool
	}{
		"loading":         {"load", 0, false, 0, false},
		"inspecting":      {"inspect", 7, false, 0, false},
		"planning":        {"decide", 7, false, 0, false},
		"planned":         {"decide", n - 1, false, 0, false},
		"publishing":      {"publish", 20, false, 20, true},
		"publishing last": {"publish", n - 1, false, n - 1, true},
		"looking":         {"look", 7, false, n, true},
		"waiting":         {"wait", 0, true, n, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, keys...)
				ctx, interrupt := context.WithCancel(t.Context())
				var since time.Time
				published := false
				at := func(request string, i int) {
					if request == "inspect" && published {
						request = "look"
					}
					published = published || request == "publish"
					if request == test.request && i == test.n && since.IsZero() {
						since = time.Now()
						interrupt()
					}
				}
				target := &slowTarget{s.store, 200 * time.Millisecond, at, test.pending}
				s.Publisher, s.Ledger = target, slowLedger{s.ledger, time.Second, at}
				s.clock, s.pause = time.Now, nil
				decided := 0
				s.amend = func(*desk, secret.SpecSecret, *record, *decision) { at("decide", decided); decided++ }
				s.Progress = func(e Event) {
					if e.Stage == StageWait {
						time.AfterFunc(time.Millisecond, func() { at("wait", 0) })
					}
				}
				r, err := s.seen(s.Apply(ctx))
				require.ErrorIs(t, err, ErrInterrupted)
				require.LessOrEqual(t, time.Since(since), 250*time.Millisecond)
				require.Len(t, s.store.Names(), test.sent)
				if test.request == "decide" {
					require.Equal(t, test.n+1, decided)
				}
				require.Empty(t, r.Actions, "the target has confirmed nothing")
				if test.recorded {
					require.ErrorContains(t, err, "50 secrets are recorded in the ledger and not confirmed")
					require.Len(t, r.Unconfirmed, n)
				} else {
					require.ErrorContains(t, err, "nothing is left half done")
					require.Empty(t, r.Unconfirmed)
					require.Empty(t, s.state().Secrets)
				}
				before := s.texts()
				target.pending, target.takes = false, 0
				s.did(s.Apply(t.Context()))
				for name, text := range before {
					require.True(t, text == s.texts()[name], "a value was made twice")
				}
				for _, key := range keys {
					require.Equal(t, []string{"v1"}, s.ids(key))
					require.Nil(t, s.record(key).Intent)
				}
			})
		})
	}
}
