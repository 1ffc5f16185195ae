package rotate

import (
	"context"
	"errors"
	"slices"

	"github.com/layeron-hq/secret"
)

// This file keeps which published texts were reported to a program outside, for
// a deploy or a message. A text counts as reported only after that program
// succeeded, so a crash at any point leads to a second report, never to none.
// The record of each secret has the generation that was reported last. The log
// has the changes since then, so that a ledger whose changes are never reported
// does not grow.

// Change is a change of a published text, for a report to a program outside. It
// contains no value.
type Change struct {
	Address secret.Address
	Action  Op
	// Version is the id of the changed version, and Phase the present phase of that
	// version.
	Version string
	Phase   Phase
	// Generation is the generation of the text that the target has confirmed. A
	// repeated report has the same one.
	Generation uint64
}

// Phase is the phase of a version in the text that programs read.
type Phase string

// The phases of a version.
const (
	PhaseAnnounced Phase = "announced" // published, not yet current
	PhaseCurrent   Phase = "current"
	PhaseRetired   Phase = "retired" // replaced, and still accepted until it expires
	PhaseEnded     Phase = "ended"   // no longer in the text: pruned, revoked, withdrawn, or a replaced bare value
)

// maxChanges is how many unreported changes of one secret are listed, the
// newest ones. The others are older than about 30 rotations.
const maxChanges = 100

// reporting returns the state in which the texts published so far count as
// reported, so that the first report does not contain the whole history. A text
// that the target has not confirmed yet does not count as reported. A state
// that keeps reports already is returned as it is.
func (s *state) reporting() *state {
	if s.Reporting {
		return s
	}
	next := *s
	next.Reporting = true
	next.Secrets = slices.Clone(s.Secrets)
	for i, old := range s.Secrets {
		rec := *old
		switch {
		case rec.Published != nil:
			rec.Reported = rec.Published.Gen
		case rec.Intent != nil && rec.Gen > 0:
			rec.Reported = rec.Gen - 1
		default:
			rec.Reported = rec.Gen
		}
		next.Secrets[i] = &rec
	}
	return &next
}

// unreported returns the confirmed changes of these secrets that were not
// reported, in the order of specs and of the log.
func (s *state) unreported(specs []secret.SpecSecret) []Change {
	logged := map[string][]LogEntry{}
	open := func(rec *record) bool {
		return rec != nil && rec.Published != nil && rec.Published.Gen > rec.Reported
	}
	for _, spec := range specs {
		if open(s.find(spec.Address)) {
			logged[spec.Address.String()] = nil
		}
	}
	if !s.Reporting || len(logged) == 0 {
		return nil
	}
	for _, e := range s.Log {
		if list, ok := logged[e.Address]; ok {
			logged[e.Address] = append(list, e)
		}
	}
	var all []Change
	for _, spec := range specs {
		if rec := s.find(spec.Address); open(rec) {
			all = append(all, rec.unreported(logged[spec.Address.String()])...)
		}
	}
	return all
}

// unreported returns the confirmed changes of one secret after the reported
// generation, by the log entries of its address.
func (r *record) unreported(logged []LogEntry) []Change {
	var list, sent []Change
	for _, e := range logged {
		if e.Document <= r.Reported || e.Document > r.Published.Gen {
			continue
		}
		id := ""
		if len(e.IDs) > 0 {
			id = e.IDs[0]
		}
		c := r.changed(e.Op, id)
		switch e.Op {
		case OpKeep: // in the ledger only
		case OpPublish, OpConfirm: // finish the change of an earlier entry
			sent = append(sent, c)
		default:
			list = append(list, c)
		}
	}
	switch {
	case len(list) == 0 && len(sent) == 0: // the log is too short, or older than Document
		list = []Change{r.changed(OpPublish, r.Current)}
	case len(list) == 0:
		list = sent
	}
	list = distinct(list)
	return list[max(0, len(list)-maxChanges):]
}

// changed returns a change of the record's confirmed text.
func (r *record) changed(op Op, id string) Change {
	c := Change{Address: r.Address, Action: op, Version: id, Phase: r.phase(id), Generation: r.Gen}
	if r.Published != nil {
		c.Generation = r.Published.Gen
	}
	return c
}

// phase returns the present phase of a version.
func (r *record) phase(id string) Phase {
	switch v := r.version(id); {
	case id == r.Current:
		return PhaseCurrent
	case id == r.Announced:
		return PhaseAnnounced
	case v == nil || v.Gone != "" || r.Bare:
		return PhaseEnded
	}
	return PhaseRetired
}

// distinct drops each change that the list contains already.
func distinct(list []Change) []Change {
	seen := map[Change]bool{}
	return slices.DeleteFunc(list, func(c Change) bool {
		again := seen[c]
		seen[c] = true
		return again
	})
}

// reports returns Result.Unreported.
func (r *run) reports(st *state) []Change {
	if !r.Reports {
		return nil
	}
	list := st.unreported(r.Spec.Secrets)
	if !r.DryRun {
		return list
	}
	begun := st.reporting()
	for _, a := range r.report.actions { // a dry run: these would be confirmed
		rec, old := r.pass.decisions[a.Address].next, begun.find(a.Address)
		if rec == nil || a.Action.Action == OpKeep || old != nil && a.gen <= old.Reported {
			continue // the text stays the same
		}
		c := rec.changed(a.Action.Action, a.Version)
		c.Generation = a.gen
		list = append(list, c)
	}
	return list
}

// begin records that the ledger keeps reports from now on. It is a step of its
// own before any change, so that a crash after the first change loses no report.
func (r *run) begin(ctx context.Context) error {
	st, rev, err := Commit(ctx, r.Ledger, r.loaded.rev, wrapState(r.loaded.state.state().reporting()))
	if errors.Is(err, ErrConflict) {
		return r.again()
	}
	if err != nil {
		return err
	}
	r.loaded.state, r.loaded.rev, r.stage = st, rev, stageInspect
	return nil
}

// afterLoad returns the stage after the ledger was loaded.
func (r *run) afterLoad() stage {
	if r.Reports && !r.DryRun && !r.loaded.state.state().Reporting {
		return stageBegin
	}
	return stageInspect
}

// MarkReported records in the ledger that these changes, from
// [Result].Unreported, were reported. No later run returns them again. Call it
// only after the report has succeeded. It may be called again with the same
// changes.
func (o *Operator) MarkReported(ctx context.Context, changes []Change) (err error) {
	if o.DryRun || len(changes) == 0 {
		return nil
	}
	unlock, err := o.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	r := newRun(o, nil, "report")
	for {
		s, rev, err := o.Ledger.Load(ctx)
		if err != nil {
			return err
		}
		if s.Moved() != "" {
			return MovedError(s)
		}
		next := s.state().reported(changes)
		if next == nil {
			return nil
		}
		// After ErrSuperseded, which is a conflict too, the next round finds the
		// reports in the ledger.
		_, _, err = Commit(ctx, o.Ledger, rev, wrapState(next))
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := r.again(); err != nil {
			return err
		}
	}
}

// reported returns the state in which these changes count as reported, and nil
// if they do already. A generation never falls, also if a slower run reports an
// earlier one later.
func (s *state) reported(changes []Change) *state {
	last := map[secret.Address]uint64{}
	for _, c := range changes {
		last[c.Address] = max(last[c.Address], c.Generation)
	}
	next := s.reporting()
	var records []*record
	for _, rec := range next.Secrets {
		if gen := last[rec.Address]; gen > rec.Reported {
			marked := *rec
			marked.Reported = gen
			records = append(records, &marked)
		}
	}
	if len(records) == 0 {
		return nil
	}
	return next.with(records...)
}
