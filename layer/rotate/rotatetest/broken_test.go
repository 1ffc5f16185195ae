package rotatetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// broken is a ledger in memory that violates a rule.
type broken struct {
	*rotate.MemoryLedger
	load func(l *rotate.MemoryLedger, ctx context.Context) (rotate.State, rotate.Revision, error)
	swap func(l *rotate.MemoryLedger, ctx context.Context, old rotate.Revision, next rotate.State) (rotate.Revision, error)
}

func (b broken) Load(ctx context.Context) (rotate.State, rotate.Revision, error) {
	if b.load == nil {
		return b.MemoryLedger.Load(ctx)
	}
	return b.load(b.MemoryLedger, ctx)
}

func (b broken) CompareAndSwap(ctx context.Context, old rotate.Revision, next rotate.State) (rotate.Revision, error) {
	if b.swap == nil {
		return b.MemoryLedger.CompareAndSwap(ctx, old, next)
	}
	return b.swap(b.MemoryLedger, ctx, old, next)
}

// lockable adds a lock.
type lockable struct {
	rotate.Ledger
	lock func(ctx context.Context) (func() error, error)
}

func (l lockable) Lock(ctx context.Context) (func() error, error) { return l.lock(ctx) }

type open struct {
	*rotate.MemoryLedger
	Identity string
}

// TestChecksFindBrokenLedgers proves that each check can fail.
func TestChecksFindBrokenLedgers(t *testing.T) {
	type (
		mem = rotate.MemoryLedger
		rev = rotate.Revision
		st  = rotate.State
	)
	overwrite := func(l *mem, ctx context.Context, _ rev, next st) (rev, error) {
		_, now, _ := l.Load(ctx)
		return l.CompareAndSwap(ctx, now, next)
	}
	for _, tc := range []struct {
		name, check string
		b           broken
	}{
		{"an absent one is an empty one", "absent", broken{load: func(l *mem, ctx context.Context) (st, rev, error) {
			s, r, err := l.Load(ctx)
			if errors.Is(err, rotate.ErrNotFound) {
				err = nil
			}
			return s, r, err
		}}},
		{"absence is any error", "absent", broken{load: func(l *mem, ctx context.Context) (st, rev, error) {
			s, r, err := l.Load(ctx)
			if err != nil {
				err = errors.New("no")
			}
			return s, r, err
		}}},
		{"any revision creates", "absent", broken{swap: overwrite}},
		{"the log is dropped", "state", broken{swap: func(l *mem, ctx context.Context, old rev, next st) (rev, error) {
			return l.CompareAndSwap(ctx, old, rotate.NewState(next.Settings()))
		}}},
		{"1 MiB is the most", "large", broken{swap: func(l *mem, ctx context.Context, old rev, next st) (rev, error) {
			n := 0
			for _, e := range next.Log() {
				n += len(e.By)
			}
			if n > 1<<20 {
				return "", errors.New("too large")
			}
			return l.CompareAndSwap(ctx, old, next)
		}}},
		{"the last one wins", "conflict", broken{swap: overwrite}},
		{"a conflict is any error", "conflict", broken{swap: func(l *mem, ctx context.Context, old rev, next st) (rev,
			error) {
			r, err := l.CompareAndSwap(ctx, old, next)
			if err != nil {
				err = errors.New("no")
			}
			return r, err
		}}},
		{"a conflict is not known to be one", "conflict",
			broken{swap: func(l *mem, ctx context.Context, old rev, next st) (rev, error) {
				r, err := l.CompareAndSwap(ctx, old, next)
				if errors.Is(err, rotate.ErrConflict) {
					err = errors.Join(err, rotate.ErrUnknown)
				}
				return r, err
			}}},
		{"what is sent again is stored again", "again", broken{swap: overwrite}},
		{"superseded is a conflict only", "again", broken{swap: func(l *mem, ctx context.Context, old rev, next st) (rev,
			error) {
			r, err := l.CompareAndSwap(ctx, old, next)
			if errors.Is(err, rotate.ErrSuperseded) {
				err = rotate.ErrConflict
			}
			return r, err
		}}},
		{"the revision is what is in it", "revision", broken{
			load: func(l *mem, ctx context.Context) (st, rev, error) {
				s, _, err := l.Load(ctx)
				return s, rev("p" + s.Settings().Project), err
			},
			swap: func(l *mem, ctx context.Context, old rev, next st) (rev, error) {
				s, now, _ := l.Load(ctx)
				if now != "" && rev("p"+s.Settings().Project) != old {
					return "", rotate.ErrConflict
				}
				_, err := l.CompareAndSwap(ctx, now, next)
				return rev("p" + next.Settings().Project), err
			}}},
		{"everybody creates", "creation", broken{swap: overwrite}},
		{"some changes are lost", "concurrent", broken{swap: func(l *mem, ctx context.Context, old rev, next st) (rev,
			error) {
			if next.Generation() == 17 {
				return "lost", nil
			}
			return l.CompareAndSwap(ctx, old, next)
		}}},
		{"some loads fail", "concurrent", broken{load: func(l *mem, ctx context.Context) (st, rev, error) {
			s, r, err := l.Load(ctx)
			if s.Generation() == 17 {
				err = errors.New("half written")
			}
			return s, r, err
		}}},
		{"the context is not looked at", "context", broken{
			load: func(l *mem, _ context.Context) (st, rev, error) { return l.Load(context.Background()) },
		}},
		{"a change does not look at the context", "context", broken{
			swap: func(l *mem, _ context.Context, old rev, next st) (rev, error) {
				return l.CompareAndSwap(context.Background(), old, next)
			},
		}},
	} {
		t.Run(tc.check+"/"+tc.name, func(t *testing.T) {
			tc.b.MemoryLedger = new(mem)
			require.Error(t, runCheck(t.Context(), t, tc.check, func() rotate.Ledger { return tc.b }))
		})
	}
}

func TestCheckOfLocks(t *testing.T) {
	never := func() error { return nil }
	var mu sync.Mutex
	held := false
	take := func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if held {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		held = true
		return nil
	}
	free := func() error {
		mu.Lock()
		defer mu.Unlock()
		held = false
		return nil
	}
	for name, lock := range map[string]func(ctx context.Context) (func() error, error){
		"locks nothing":           func(context.Context) (func() error, error) { return never, nil },
		"frees what is another's": func(ctx context.Context) (func() error, error) { return free, take(ctx) },
		"frees nothing":           func(ctx context.Context) (func() error, error) { return never, take(ctx) },
		"ends otherwise": func(ctx context.Context) (func() error, error) {
			if take(ctx) != nil {
				return nil, errors.New("no")
			}
			return free, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			held = false
			l := lockable{new(rotate.MemoryLedger), lock}
			ctx, cancel := context.WithTimeout(t.Context(), 10*short) // one lock waits for ever
			defer cancel()
			require.Error(t, runCheck(ctx, t, "lock", func() rotate.Ledger { return l }))
		})
	}
}

func TestCheckOfWhatIsShown(t *testing.T) {
	identity, _, err := ledger.NewIdentity()
	require.NoError(t, err)
	l := open{new(rotate.MemoryLedger), identity.Reveal()}
	err = checkShown(t.Context(), subject{open: func() rotate.Ledger { return l }, identity: identity})
	require.ErrorContains(t, err, "the identity is shown")
	require.NotContains(t, err.Error(), identity.Reveal()[16:])
}

func runCheck(ctx context.Context, t *testing.T, name string, open func() rotate.Ledger) error {
	t.Helper()
	for _, c := range checks {
		if c.name == name {
			return c.run(ctx, subject{open: open})
		}
	}
	t.Fatalf("no check %q", name)
	return nil
}
