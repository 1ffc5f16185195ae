// Package stress has several operators change one ledger at the same time, and reports whether every change was made once. Only
// tests use it.
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

// Result is how it went, beside what was right.
type Result struct{ Conflicts, Superseded, Unknown int }

// Run creates a ledger that is sealed to recipients, has each of the operators make so many changes through the handle that
// open returns for it, and returns what is wrong with the ledger afterwards, as a reader finds it.
func Run(ctx context.Context, recipients []string, operators, changes int, open func(operator int) rotate.Ledger, reader rotate.Ledger) (Result, error) {
	var res Result
	if _, _, err := rotate.Commit(ctx, reader, "", rotate.NewState(rotate.Settings{Recipients: recipients})); err != nil {
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
		return res, fmt.Errorf("of %d changes %d ended with an unknown outcome, and %d is the most that a busy machine explains", operators*changes,
			res.Unknown, most)
	}
	return res, count(ctx, reader, operators, changes)
}

func name(operator, n int) string { return fmt.Sprintf("%d/%d", operator, n) }

// change makes one change. Where nobody can tell whether it was made, as when the others have made more changes meanwhile than
// the ring remembers, it does what the error asks of an operator: it looks at the log before it does it again.
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
		time.Sleep(rand.N(20 * time.Millisecond)) // else the fastest wins most of the time, and the others do work for nothing
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
				return fmt.Errorf("change %s was acknowledged, and is there %d times", name(i, n), times[name(i, n)])
			}
		}
	}
	if want := uint64(operators*changes + 1); s.Generation() != want || len(times) != operators*changes {
		return fmt.Errorf("after %d changes the generation is %d, and the log has %d", want, s.Generation(), len(times))
	}
	return nil
}
