package rotate

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/layeron-hq/secret/driver"
)

// This file asks the target for the present values: before the decisions, and
// after a publish. No value is read, so a target need not be readable.

// inspect asks the target for the present values, and then continues with next.
// The result contains no text, because a target need not be readable: a run
// recognizes a text by its note and by Modified.
func (r *run) inspect(ctx context.Context, next stage) error {
	var names []string
	for _, s := range r.targets() {
		// The value is under its recorded name, even if the declaration has changed.
		name := r.name(s)
		if rec := r.loaded.state.state().find(s.Address); !rec.empty() && r.orders[s.Address].op != orderRename {
			name = rec.Name
		}
		r.target.names[s.Address] = name
		names = append(names, name)
	}
	counting := r.counted(ctx, Event{Stage: StageInspect, Secrets: len(names)})
	if r.op == "status" {
		if err := r.watchFormer(ctx); err != nil {
			return err
		}
	}
	// The ledger was loaded before this inspection. Another run may have published
	// a text in between, so a contradiction is not certain yet: see ascertain.
	r.loaded.certain = false
	if len(names) == 0 {
		r.target.found, r.target.at, r.stage = nil, r.now(), next
		return nil
	}
	if p, ok := r.Publisher.(driver.Placer); ok {
		place, err := p.Place(ctx)
		if err != nil {
			return err
		}
		r.target.place = place
	}
	found, err := r.Publisher.Inspect(counting, names)
	if err != nil {
		return err
	}
	r.target.found, r.target.at, r.stage = found, r.now(), next
	return nil
}

// look inspects the target after a publish, and again while it reports Pending:
// a text is confirmed only when readers can read it, because the window begins
// then.
func (r *run) look(ctx context.Context) error {
	if r.tries.looks > 0 {
		r.tell(Event{Stage: StageWait})
		if err := r.sleep(ctx, min(time.Second<<r.tries.looks/4, 5*time.Second)); err != nil {
			return err
		}
	}
	if err := r.inspect(ctx, stageDecide); err != nil {
		return err
	}
	for _, addr := range slices.Collect(maps.Keys(r.mine.sent)) {
		if r.target.found[r.target.names[addr]].Pending && r.tries.looks < maxLooks {
			r.tries.looks++
			r.stage = stageLook
			return nil
		}
	}
	return nil
}

// sighting returns the result of the inspection for one secret. In a
// driver.Recognizer it compares the value with every text that was sent,
// because a crash can leave a text without its note there.
func (r *run) sighting(rec *record, name string) sighting {
	p, ok := r.target.found[name]
	found := sighting{Published: p, exists: ok}
	known, is := r.Publisher.(driver.Recognizer)
	if !is || !ok || rec == nil {
		return found
	}
	found.recognized = true
	sum := r.loaded.state.state().sum(p.Modified)
	if in := rec.Intent; in != nil {
		found.own = known.ModifiedOf(driver.NewValue(in.Text)) == p.Modified
	}
	found.sent = found.own || rec.Published != nil && rec.Published.Modified == p.Modified ||
		slices.ContainsFunc(rec.Sent, func(s sent) bool { return s.Sum == sum })
	return found
}

// sum returns the digest by which a text is recognized in the target later, and
// "" if the target is no driver.Recognizer.
func (r *run) sum(text string) string {
	if known, is := r.Publisher.(driver.Recognizer); is {
		return r.loaded.state.state().sum(known.ModifiedOf(driver.NewValue(text)))
	}
	return ""
}
