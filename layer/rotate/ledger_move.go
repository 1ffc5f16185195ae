package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// This file moves the ledger itself from one place to another. At every moment
// at most one of the two places is in use: two ledgers in use would each
// confirm texts that the other one takes for drift. So the old ledger gets its
// fence first, and a crash leaves a ledger that no run changes, never two that
// run.

// MoveOptions are the options of [Move].
type MoveOptions struct {
	// From and To name the two places, in messages and for a later Move that
	// continues this one. Both are required, and must contain no credential.
	From, To string
	// Target is where values are published, as seen from the new place. Empty: it
	// stays the same.
	Target string
	// By is the operator, for the ledger's log. It may be empty.
	By string
}

// Move moves the ledger from one place to the other, and returns its state
// there. First it marks the ledger in the old place, from, with a fence. After
// that no run changes that ledger, and each returns an error that names the new
// place. Then Move stores the state in the new place, to. So two ledgers are
// never in use at once. A crash in between leaves a ledger that is not in use;
// the same Move again continues.
//
// If the state cannot be stored in the new place, Move removes the fence again,
// unless an earlier Move set it: a late write of that Move may still arrive in
// the new place.
//
// Move never overwrites another ledger in the new place. It overwrites only a
// copy of this same ledger, if that has the fence of an earlier Move away from
// there. A Move that was completed before changes nothing. Move locks both
// ledgers if they are [Locker]s.
func Move(ctx context.Context, from, to Ledger, o MoveOptions) (State, error) {
	if o.From == "" || o.To == "" || o.From == o.To {
		return State{}, errors.New("a ledger is moved from one place to another: name two")
	}
	if path := pathOf(from); path != "" && path == pathOf(to) {
		// The second lock would wait for the first one forever.
		return State{}, problemf(Refused, "%s and %s are one file: name another", o.From, o.To)
	}
	for _, l := range []Ledger{from, to} {
		if l, ok := l.(Locker); ok {
			unlock, err := l.Lock(ctx)
			if err != nil {
				return State{}, err
			}
			defer func() { _ = unlock() }() // closing the file releases the lock in any case
		}
	}
	var fence fence
	for range maxConflicts {
		s, done, err := fence.moveOn(ctx, from, to, o)
		if done || err != nil {
			return s, err
		}
	}
	return State{}, fmt.Errorf("%w %d times: run it again when the others have finished", ErrConflict, maxConflicts)
}

// pathOf returns the path of a ledger that is a file on this machine, and ""
// for any other.
func pathOf(l Ledger) string {
	if file, ok := l.(interface{ Path() string }); ok {
		return file.Path()
	}
	return ""
}

// fence is the last fence that this Move committed. Only the Move that
// committed the present fence stores a state in to. So once that fence is
// removed, no state of an earlier Move can be stored there.
type fence struct {
	write string // the id of its commit
	first bool   // the ledger was in use before
}

// moveOn does the next step. It returns false if there is another step, or if
// another run changed a ledger first.
func (f *fence) moveOn(ctx context.Context, from, to Ledger, o MoveOptions) (_ State, done bool, err error) {
	src, srcRev, err := from.Load(ctx)
	if err != nil {
		return State{}, false, err
	}
	dst, dstRev, err := to.Load(ctx)
	there := err == nil
	if errors.Is(err, ErrNotFound) {
		dstRev, err = "", nil
	}
	if err != nil {
		return State{}, false, err
	}
	switch step, err := nextMove(src, dst, there, o); {
	case err != nil:
		return State{}, false, err
	case step == moveDone:
		return dst, true, nil
	case step == moveFence, src.WriteID() != f.write:
		fenced := src.MovedTo(o.To)
		if step == moveFence {
			fenced = fenced.WithLog(LogEntry{At: time.Now(), By: o.By, Op: OpMove, IDs: []string{o.To}})
		}
		s, _, err := Commit(ctx, from, srcRev, fenced)
		if err == nil {
			*f = fence{s.WriteID(), step == moveFence}
		}
		if errors.Is(err, ErrConflict) {
			err = nil
		}
		return State{}, false, err
	}
	next := src.MovedTo("")
	if o.Target != "" {
		set := next.Settings()
		set.Target = o.Target
		next = next.WithSettings(set)
	}
	s, _, err := Commit(ctx, to, dstRev, next)
	switch {
	case err == nil:
		return s, true, nil
	case errors.Is(err, ErrConflict): // ErrSuperseded too: the next step loads the present state
		return State{}, false, nil
	case errors.Is(err, ErrUnknown), ctx.Err() != nil:
		return State{}, false, fmt.Errorf("%w. Until then no run changes the ledger: move it again, which goes on", err)
	}
	if !f.first {
		return State{}, false, problemf(HalfMoved, "%w. The old ledger is out of use since an earlier move, "+
			"and a late write of that move may still arrive", err)
	}
	if _, _, back := Commit(ctx, from, srcRev,
		src.MovedTo("").WithLog(LogEntry{At: time.Now(), By: o.By, Op: OpResume})); back != nil {
		return State{}, false, problemf(HalfMoved, "%w; and the old ledger cannot be put back into use: %w", err, back)
	}
	return State{}, false, fmt.Errorf("%w. The old ledger is in use as before", err)
}

type moveStep int

const (
	moveFence moveStep = iota
	movePut
	moveDone
)

// nextMove returns the next step, or the problem that prevents the move. there
// reports whether the new place holds a state, which is dst.
func nextMove(src, dst State, there bool, o MoveOptions) (moveStep, error) {
	ours := there && dst.Origin() == src.Origin()
	// left: it has been there since the ledger was moved away from there.
	left := ours && dst.Moved() != "" && dst.Generation() < src.Generation()
	switch moved := src.Moved(); {
	case moved != "" && moved != o.To:
		return 0, problemf(Moved, "%s has moved to %s: move that one", o.From, moved)
	case there && !ours:
		return 0, problemf(Refused, "another ledger is in %s, and is not overwritten: name another place", o.To)
	case moved == "" && ours && !left && dst.WriteID() == src.WriteID():
		return 0, problemf(Refused, "%s and %s hold the same: they are one place under two names, "+
			"or one of the two is a copy, which must be deleted first", o.From, o.To)
	case moved == "" && ours && !left:
		return 0, problemf(Copies, "the same ledger is in %s, and no move put it there: one of the two is a copy. "+
			"Delete the one that is behind", o.To)
	case moved == "":
		return moveFence, nil
	case !there || left:
		return movePut, nil
	case dst.Moved() == "" && (comesFrom(dst, src) || !dst.Covers(src.Generation()-1)):
		return moveDone, nil
	case dst.Moved() != "":
		return 0, problemf(Refused, "%s has moved to %s, and that has moved on to %s: "+
			"if the ledger is not in use there, move it from %s to %s",
			o.From, o.To, dst.Moved(), o.To, dst.Moved())
	}
	return 0, problemf(Copies, "%s has moved to %s, and the ledger there does not come from it: "+
		"one of the two is a copy", o.From, o.To)
}

// comesFrom reports whether dst was made from src under a fence of the last
// move: the present fence, or an earlier one that a repeated Move has replaced.
func comesFrom(dst, src State) bool {
	since := src.Generation()
	for _, e := range src.Log() {
		if e.Op == OpMove {
			since = e.Gen
		}
	}
	return slices.ContainsFunc(src.state().Writes, func(w write) bool { return w.Gen >= since && dst.Wrote(w.ID) })
}
