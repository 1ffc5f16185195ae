package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MoveOptions are what [Move] takes beside the ledgers.
type MoveOptions struct {
	// From and To name the two places to people, and to a later Move that goes on with this one. Both must be given, and hold no
	// credential.
	From, To string
	// Target is where values are published, as seen from the new place. Empty: as it was.
	Target string
	// By is who moves it, for the ledger's log. It may be empty.
	By string
}

// Move makes to the ledger in from's place, and returns its state. First from gets a fence: no run changes it any more, and each is
// told where the ledger is now. Then to gets the state. So there never are two that run; a crash in between leaves one that stands
// still, and the same Move again goes on. Where nothing can be put into to, the fence is taken away again, but for one that an earlier
// Move has left: what that has sent may still arrive.
//
// What is in to already is never overwritten, but for this ledger itself, left there under a fence when it was moved away. A Move that
// was done already changes nothing. Both are locked meanwhile where they are a [Locker].
func Move(ctx context.Context, from, to Ledger, o MoveOptions) (State, error) {
	if o.From == "" || o.To == "" || o.From == o.To {
		return State{}, errors.New("a ledger is moved from one place to another: name two")
	}
	if path := pathOf(from); path != "" && path == pathOf(to) { // its lock would be waited for until the end of time
		return State{}, problemf(Refused, "%s and %s are one file: name another", o.From, o.To)
	}
	for _, l := range []Ledger{from, to} {
		if l, ok := l.(Locker); ok {
			unlock, err := l.Lock(ctx)
			if err != nil {
				return State{}, err
			}
			defer func() { _ = unlock() }() // closing the file releases it in any case
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

// pathOf returns the path of a ledger that is a file of this machine.
func pathOf(l Ledger) string {
	if file, ok := l.(interface{ Path() string }); ok {
		return file.Path()
	}
	return ""
}

// fence is the latest that this Move has made. Nothing is put into to but by who made the fence that stands, so that taking it away is
// the end of everything that was to be put there.
type fence struct {
	write string // its id
	first bool   // the ledger was in use before
}

// moveOn does the next step. Not done: there is another, or somebody was faster.
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
	case errors.Is(err, ErrConflict): // ErrSuperseded too: what stands there now tells
		return State{}, false, nil
	case errors.Is(err, ErrUnknown), ctx.Err() != nil:
		return State{}, false, fmt.Errorf("%w. Until then no run changes the ledger: move it again, which goes on", err)
	}
	if !f.first {
		return State{}, false, problemf(HalfMoved, "%w. The old ledger stands still since an earlier move, and what that has sent may still arrive", err)
	}
	if _, _, back := Commit(ctx, from, srcRev, src.MovedTo("").WithLog(LogEntry{At: time.Now(), By: o.By, Op: OpResume})); back != nil {
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

// nextMove decides what is to be done, or what speaks against it.
func nextMove(src, dst State, there bool, o MoveOptions) (moveStep, error) {
	ours := there && dst.Origin() == src.Origin()
	left := ours && dst.Moved() != "" && dst.Generation() < src.Generation() // it stands there since it was moved away
	switch moved := src.Moved(); {
	case moved != "" && moved != o.To:
		return 0, problemf(Moved, "%s has moved to %s: move that one", o.From, moved)
	case there && !ours:
		return 0, problemf(Refused, "another ledger is in %s, and is not overwritten: name another place", o.To)
	case moved == "" && ours && !left && dst.WriteID() == src.WriteID():
		return 0, problemf(Refused, "%s and %s hold the same: they are one place under two names, or one of the two is a copy, which must be "+
			"deleted first", o.From, o.To)
	case moved == "" && ours && !left:
		return 0, problemf(Copies, "the same ledger is in %s, and nobody moved it there: one of the two is a copy. Delete the one that is behind", o.To)
	case moved == "":
		return moveFence, nil
	case !there || left:
		return movePut, nil
	case dst.Moved() == "" && (comesFrom(dst, src) || !dst.Covers(src.Generation()-1)):
		return moveDone, nil
	case dst.Moved() != "":
		return 0, problemf(Refused, "%s has moved to %s, and that has moved on to %s: if the ledger is not in use there, move it from %s to %s",
			o.From, o.To, dst.Moved(), o.To, dst.Moved())
	}
	return 0, problemf(Copies, "%s has moved to %s, and what is there does not come from it: one of the two is a copy", o.From, o.To)
}

// comesFrom tells whether dst was made from src under its fence: the one that stands there, or one that a later Move has put anew.
func comesFrom(dst, src State) bool {
	since := src.Generation()
	for _, e := range src.Log() {
		if e.Op == OpMove {
			since = e.Gen
		}
	}
	return slices.ContainsFunc(src.state().Writes, func(w write) bool { return w.Gen >= since && dst.Wrote(w.ID) })
}
