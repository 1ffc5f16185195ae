package rotate

import (
	"context"
	"errors"
	"maps"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file asks a target with limited room, before the ledger has an intent,
// for which texts it has room. A text without room must not stop the run: a
// text of the same run may prune versions, and so make room.

// shortage is the reason why the target has no room for a text.
type shortage struct {
	reason error
	// all: there is no room either if only a rotation in progress goes on.
	all bool
}

// flipRoom is the most that the flip adds to the text of an announcement, in
// bytes. Without that room the new version would stay announced.
const flipRoom = 100

// fits asks the target for which of the decided texts it has room. decided is
// false if it asked: that took time, so the run decides again, and not for the
// texts without room.
func (r *run) fits(ctx context.Context) (decided bool, err error) {
	fitter, ok := r.Publisher.(driver.Fitter)
	if !ok || r.op == "status" {
		return true, nil
	}
	sizes, of, larger := map[string]int{}, map[string]secret.Address{}, false
	for addr, dec := range r.pass.decisions {
		if !dec.send {
			continue
		}
		name, size := dec.next.Name, len(dec.next.Intent.Text)
		if dec.next.Intent.Op == OpAdd {
			size += flipRoom
		}
		sizes[name], of[name] = size, addr
		larger = larger || size > r.tries.fitted[name]
	}
	if !larger {
		return true, nil
	}
	var without driver.NoRoom
	switch err := fitter.Fits(ctx, sizes); {
	case err == nil:
		r.tries.fitted = sizes
		return false, nil
	case !errors.As(err, &without) || len(without) == 0:
		return false, problemf(Stopped, "%w", err)
	}
	short := maps.Clone(r.tries.short)
	if short == nil {
		short = map[secret.Address]shortage{}
	}
	for name, reason := range without {
		addr, asked := of[name]
		if !asked {
			return false, problemf(Stopped, "%w", reason)
		}
		_, again := short[addr]
		op := r.orders[addr].op
		short[addr] = shortage{reason, again || op != orderRotate && op != orderApply}
	}
	r.tries.short = short
	return false, nil
}

// withhold returns the decision without its text, but with a confirmation.
func (d decision) withhold(problem *Problem) decision {
	return decision{verdict: d.verdict, next: d.confirmed, confirmed: d.confirmed, problem: problem}
}

// withoutRoom changes the decision on a secret for whose text the target has no
// room.
func (d decision) withoutRoom(s shortage, addr secret.Address) decision {
	switch {
	case s.all && d.send && (d.verdict == verdictResend || d.verdict == verdictFresh):
		return d.withhold(problemf(Unsettled, "the target has no room for the text. It is recorded in the ledger, and a "+
			"run sends it when there is room: %w", s.reason).of(addr))
	case s.all && d.send:
		return d.withhold(problemf(Refused, "%w", s.reason).of(addr))
	case d.problem == nil && !d.send:
		d.problem = problemf(Refused, "%w", s.reason).of(addr)
	}
	return d
}
