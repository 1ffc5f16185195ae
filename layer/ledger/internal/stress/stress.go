// Package stress lets several operators change one ledger at the same time, and
// reports whether every change was made exactly once. Only tests use it.
package stress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/layeron-hq/secret/layer/rotate"
)

// Result counts the changes that did not succeed directly, by outcome.
type Result struct{ Conflicts, Superseded, Unknown int }

// Run creates a ledger that is sealed to recipients. Each operator then makes the
// given number of changes through the handle that open returns. Run returns an
// error if the ledger, as reader loads it, lacks a change or has one twice.
func Run(ctx context.Context, recipients []string, operators, changes int, open func(operator int) rotate.Ledger,
	reader rotate.Ledger) (Result, error) {
	var res Result
	if _, _, err := rotate.Commit(ctx, reader, "",
		rotate.NewState(rotate.Settings{Recipients: recipients})); err != nil {
		return res, err
	}
	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)
	problems := make([]error, operators)
	for i := range operators {
		all.Go(func() {
			l := open(i)
			var own Result
			for n := range changes {
				if problems[i] = change(ctx, l, name(i, n), &own); problems[i] != nil {
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			res.Conflicts += own.Conflicts
			res.Superseded += own.Superseded
			res.Unknown += own.Unknown
		})
	}
	all.Wait()
	if err := errors.Join(problems...); err != nil {
		return res, err
	}
	if most := max(1, operators*changes/50); res.Unknown > most {
		return res, fmt.Errorf("of %d changes %d ended with an unknown outcome, and at most %d can be explained by a "+
			"busy machine", operators*changes,
			res.Unknown, most)
	}
	return res, count(ctx, reader, operators, changes)
}

func name(operator, n int) string { return fmt.Sprintf("%d/%d", operator, n) }

// change makes one change. The outcome stays unknown when the other operators have
// meanwhile made more changes than the ring of writes records. Then change follows
// the advice of the error: it looks at the log before it repeats the change.
func change(ctx context.Context, l rotate.Ledger, by string, res *Result) error {
	unsure := false
	for {
		s, rev, err := l.Load(ctx)
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		if unsure && slices.ContainsFunc(s.Log(), func(e rotate.LogEntry) bool { return e.By == by }) {
			return nil
		}
		_, _, err = rotate.Commit(ctx, l, rev, s.WithLog(rotate.LogEntry{By: by, Op: "test"}))
		switch {
		case err == nil:
			return nil
		case errors.Is(err, rotate.ErrSuperseded):
			res.Superseded++
			return nil
		case errors.Is(err, rotate.ErrConflict):
			res.Conflicts++
		case errors.Is(err, rotate.ErrUnknown):
			res.Unknown++
			unsure = true
		default:
			return fmt.Errorf("change: %w", err)
		}
		// Without this pause the fastest operator wins most of the time, and the others
		// work in vain.
		time.Sleep(rand.N(20 * time.Millisecond))
	}
}

func count(ctx context.Context, l rotate.Ledger, operators, changes int) error {
	s, _, err := l.Load(ctx)
	if err != nil {
		return err
	}
	times := map[string]int{}
	for _, e := range s.Log() {
		times[e.By]++
	}
	for i := range operators {
		for n := range changes {
			if times[name(i, n)] != 1 {
				return fmt.Errorf("change %s was acknowledged, and is in the log %d times", name(i, n), times[name(i,
					n)])
			}
		}
	}
	if want := uint64(operators*changes + 1); s.Generation() != want || len(times) != operators*changes {
		return fmt.Errorf("after %d changes the generation is %d, and the log has %d", want, s.Generation(), len(times))
	}
	return nil
}
