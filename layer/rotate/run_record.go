package rotate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/layeron-hq/secret/driver"
)

// This file stores the decisions of a pass in the ledger, before anything is
// sent or made.

// placed returns the place to record: the present one if the target has just
// confirmed a text, else the recorded one.
func (r *run) placed(st *state) string {
	for _, dec := range r.pass.decisions {
		if dec.verdict == verdictConfirm && dec.next != nil && r.target.place != "" {
			return r.target.place
		}
	}
	return st.Place
}

// record stores all decisions in the ledger with one compare-and-set. This is
// the rule that makes a crash harmless: no text is sent, and no resource made,
// before its intent or its name is in the ledger. So the next run finds every
// request that may have been sent, and sends the same bytes again.
func (r *run) record(ctx context.Context, st *state) error {
	next := *st
	next.Place = r.placed(st)
	var records []*record
	r.pass.items, r.pass.to, r.pass.minting = nil, nil, nil
	var retire []resource
	for _, s := range r.targets() {
		dec := r.pass.decisions[s.Address]
		if dec.next == nil {
			continue
		}
		// Without an intent, the target has confirmed a text without these versions.
		if dec.next.Intent == nil {
			retire = append(retire, dec.next.unused()...)
		}
		// A request to a generator that ends here is swept. If this run received the
		// value, one sweep is enough. Otherwise the request may still be late.
		if old := st.find(s.Address); old != nil && old.Making != nil && old.Making != dec.next.Making {
			if old.Making.Name != "" {
				until := old.Making.At
				if mine, ok := r.mine.made[s.Address]; !ok || mine.Resource.Name != old.Making.Name {
					until = r.lateUntil(st)
				}
				next.Sweep = append(slices.Clip(next.Sweep), old.Making.swept(until))
			}
			// A value that did not work is ended by its id, too.
			if res, ok := r.mine.failed[s.Address]; ok && res.Name == old.Making.Name {
				retire = append(retire, res)
			}
		}
		records = append(records, dec.next)
		if dec.also != nil {
			records = append(records, dec.also)
		}
		if dec.make {
			r.pass.minting = append(r.pass.minting, s.Address)
		}
		if dec.send {
			r.pass.items = append(r.pass.items, driver.Item{Name: dec.next.Name,
				Text: driver.NewValue(dec.next.Intent.Text), Note: dec.next.Intent.Note})
			r.pass.to = append(r.pass.to, s.Address)
		}
	}
	swapped := next.with(records...)
	for _, res := range retire {
		if !swapped.uses(res) {
			swapped.Retire = append(slices.Clip(swapped.Retire), res)
		}
	}
	var all []Action
	var entries []LogEntry
	for _, s := range r.targets() {
		dec := r.pass.decisions[s.Address]
		all = append(all, dec.actions...)
		entries = append(entries, logOf(dec, r.By, r.now())...)
	}
	swapped.log(entries...)
	swapped = swapped.released(st.policy(r.now(), r.Window, r.Margin, r.Limit))
	r.tell(Event{Stage: StageRecord, Secrets: len(records), Actions: all})
	committed, rev, err := Commit(ctx, r.Ledger, r.loaded.rev, wrapState(swapped))
	switch {
	case errors.Is(err, ErrSuperseded):
		// The decisions were stored, and another run may have acted on them already. So
		// they are not sent from here, and no order begins a second time.
		r.collectDone()
		return r.again()
	case errors.Is(err, ErrConflict):
		return r.again()
	case err != nil:
		return err
	}
	for _, rec := range records {
		if rec.Making == nil {
			delete(r.mine.made, rec.Address) // a version has it now; no second one may use it
			delete(r.mine.failed, rec.Address)
		}
	}
	r.collectDone()
	r.collect()
	r.loaded.state, r.loaded.rev = committed, rev
	r.pass.recorded, r.stage, r.pass.toMake = r.now(), stageMake, len(r.pass.minting)
	return nil
}

// collectDone marks the orders that are in the ledger, so that a later pass,
// after a conflict too, does not carry them out twice.
func (r *run) collectDone() {
	for addr, dec := range r.pass.decisions {
		one := r.orders[addr]
		switch {
		case dec.done && one.op == orderRotate: // forced once; then the schedule decides
			one.force, one.immediate = false, false
			r.orders[addr] = one
		case dec.done && one.op != orderApply:
			r.mine.done[addr] = true
		}
	}
}

// logOf returns the log entries for a decision.
func logOf(dec decision, by string, at time.Time) []LogEntry {
	var entries []LogEntry
	for _, a := range dec.actions {
		e := LogEntry{At: at, By: by, Op: a.Action, Address: a.Address.String()}
		if dec.next != nil {
			e.Document = dec.next.Gen
		}
		if a.Version != "" {
			e.IDs = []string{a.Version}
		}
		entries = append(entries, e)
	}
	return entries
}
