package rotate

import (
	"fmt"
	"time"

	"github.com/layeron-hq/secret"
)

// This file has the decisions for a generator with few values, or with a test: a
// new value only while one of its places is free, and an older value only if it
// works again.

// inUse returns the ids of a generator's values in use, each once: that of the
// current version first, then those of the other versions that have not ended.
func (r *record) inUse(generator string, now time.Time) (ids []string) {
	seen := map[string]bool{}
	add := func(v *version) {
		if v != nil && v.uses(generator) && !seen[v.Resource.ID] {
			seen[v.Resource.ID] = true
			ids = append(ids, v.Resource.ID)
		}
	}
	add(r.version(r.Current))
	for i := range r.Versions {
		if v := &r.Versions[i]; v.Gone == "" && !r.ended(v, now) {
			add(v)
		}
	}
	return ids
}

func (v *version) uses(generator string) bool {
	return v.Resource != nil && v.Resource.Generator == generator
}

// ended reports whether no reader uses a version any more.
func (r *record) ended(v *version, now time.Time) bool {
	end := r.endOf(v)
	return v.ID != r.Current && v.ID != r.Announced && !end.IsZero() && !now.Before(end)
}

// endOf returns when no reader uses a version any more. Zero: not known.
func (r *record) endOf(v *version) time.Time {
	if v.ExpiresAt.IsZero() {
		return noTime
	}
	return later(v.ExpiresAt, r.Hold)
}

// full returns a problem if as many values are in use as the generator has at a
// time: of kind Waiting for a rotation by the schedule, else of kind InUse.
func (w *work) full() *Problem {
	most := w.desk.most(w.spec)
	now := w.desk.policy.now
	if most == 0 || len(w.r.inUse(w.spec.Generator, now)) < most {
		return nil
	}
	first := w.r.nextFree(w.spec.Generator, now)
	text := fmt.Sprintf("%s has %s at a time, and as many are in use", w.spec.Generator, values(most))
	kind := InUse
	if w.order.op == orderLook || w.order.op == orderRotate && !w.order.force && !w.order.immediate {
		kind = Waiting
	}
	p := problemf(kind, "%s", text).of(w.spec.Address)
	if first == nil {
		return p
	}
	p.Version = first.ID
	until := "when version " + first.ID + " has ended"
	if end := w.r.endOf(first); !end.IsZero() {
		until = fmt.Sprintf("after %s, when version %s has ended", end.UTC().Format(time.RFC3339), first.ID)
	}
	return p.because("%s: a new one can be made %s", text, until)
}

// nextFree returns the version whose end makes the next place free, and nil if
// that is not known. A rollback copies a value, so a place becomes free with the
// last version that has its value.
func (r *record) nextFree(generator string, now time.Time) (next *version) {
	last := map[string]*version{} // by the id of the value
	for i := range r.Versions {
		v := &r.Versions[i]
		if v.Gone != "" || !v.uses(generator) || r.ended(v, now) {
			continue
		}
		if other := last[v.Resource.ID]; other == nil || r.endsBefore(other, v) {
			last[v.Resource.ID] = v
		}
	}
	for i := range r.Versions {
		v := &r.Versions[i]
		if v.ID != r.Current && v.Resource != nil && last[v.Resource.ID] == v && (next == nil || r.endsBefore(v, next)) {
			next = v
		}
	}
	return next
}

// endsBefore reports whether a version ends before another one. One whose end is
// not known, such as the current one, ends last.
func (r *record) endsBefore(v, other *version) bool {
	a, b := r.endOf(v), r.endOf(other)
	return !a.IsZero() && (b.IsZero() || a.Before(b))
}

func values(n int) string {
	if n == 1 {
		return "one value"
	}
	return fmt.Sprintf("%d values", n)
}

// tooMany returns a problem if the declared rotation needs more values at a time
// than the generator has: a version would still be in use when its place is
// needed again.
func (d *desk) tooMany(spec secret.SpecSecret) *Problem {
	if spec.Rotation == nil || spec.Kind != secret.KindGenerated {
		return nil
	}
	most := d.most(spec)
	if most == 0 {
		return nil
	}
	more, forever := retention(spec.Rotation)
	life := d.policy.window + d.policy.margin + more
	switch {
	case forever:
		return problemf(Refused, "%s has %s at a time, so a replaced version cannot be retained forever: "+
			"declare another Retain. Nothing was changed", spec.Generator, values(most)).of(spec.Address)
	case life >= time.Duration(spec.Rotation.EveryDays)*day*time.Duration(most-1):
		return problemf(Refused, "%s has %s at a time, and this rotation needs more: a replaced version stays in "+
			"use for %s (window, margin and Retain), and a new one is made every %d days. "+
			"Declare a shorter Retain or more days. Nothing was changed", spec.Generator, values(most), inDays(life),
			spec.Rotation.EveryDays).of(spec.Address)
	}
	return nil
}

// inDays writes a duration in days if it is whole days.
func inDays(d time.Duration) string {
	d = d.Round(time.Second) // a margin of none is stored as a nanosecond
	if d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// works reports whether a rollback may publish an older value again. If the
// value has to be tested first, or does not work, it returns false.
func (w *work) works(v *version) bool {
	res := v.Resource
	switch {
	case res == nil:
		return true // set by an operator
	case res.Generator != w.spec.Generator || !w.desk.able(res.Generator):
		if res.Address == "" {
			return true
		}
		w.problem(Refused, "the value of version %s cannot be tested: its generator %s is not registered here. "+
			"Nothing was changed", v.ID, res.Generator)
		return false
	case !w.desk.tests(w.spec):
		return true
	}
	t, ok := w.desk.tested(w.spec.Address)
	switch {
	case !ok || t.id != res.ID:
		older := *v
		w.out.test = &older
		return false
	case t.err != nil:
		w.problem(Refused, "the value of version %s failed its test, so it was not published: %w", v.ID, t.err)
		return false
	}
	return true
}
