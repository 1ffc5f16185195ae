package rotate

import (
	"context"
	"errors"
	"fmt"

	"github.com/layeron-hq/secret"
)

// This file loads the ledger, at the beginning of a run and after a lost
// compare-and-set.

// load loads the ledger. After a lost compare-and-set it discards the
// generators' values of this run, and stops at a fence unless the operator
// adopts.
func (r *run) load(ctx context.Context) error {
	r.tell(Event{Stage: StageLoad})
	st, rev, err := r.Ledger.Load(ctx)
	if errors.Is(err, ErrNotFound) {
		return problemf(NoLedger, "there is no ledger yet (%w)", err)
	}
	if err != nil {
		return err
	}
	if r.highest == nil {
		r.highest = map[secret.Address]int{}
		for _, rec := range st.state().Secrets {
			r.highest[rec.Address] = rec.Highest
		}
	}
	// A value that was made for an earlier state may have been swept by another
	// run.
	r.loaded.state, r.loaded.rev, r.mine.made = st, rev, map[secret.Address]version{}
	r.mine.failed, r.mine.tested = map[secret.Address]resource{}, map[secret.Address]tested{}
	r.stage = r.afterLoad()
	switch {
	case st.Moved() == "" || r.DryRun: // a dry run changes nothing, so a fence does not stop it
	case r.adopts():
		r.stage = stageResume
	default:
		return MovedError(st)
	}
	return nil
}

// MovedError returns the [Problem] of kind [Moved] for a state with a fence,
// the mark that [Move] leaves in a ledger that has moved to another place.
func MovedError(s State) error {
	return problemf(Moved, "this ledger has moved to %s: use that one", s.Moved())
}

// resume removes the fence, because the operator adopts this ledger.
func (r *run) resume(ctx context.Context) error {
	st, rev, err := Commit(ctx, r.Ledger, r.loaded.rev,
		r.loaded.state.MovedTo("").WithLog(LogEntry{At: r.now(), By: r.By, Op: OpResume}))
	if errors.Is(err, ErrConflict) {
		return r.again()
	}
	if err != nil {
		return err
	}
	r.loaded.state, r.loaded.rev = st, rev
	r.stage = r.afterLoad()
	return nil
}

// again begins again with the ledger of the run that was first. It returns an
// error that wraps ErrConflict after maxConflicts.
func (r *run) again() error {
	if r.tries.conflicts++; r.tries.conflicts > maxConflicts {
		return fmt.Errorf("%w %d times: run it again when the others have finished", ErrConflict, maxConflicts)
	}
	r.stage = stageLoad
	return nil
}
