package rotate

import (
	"slices"
	"strconv"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// The functions here change a record that is the caller's own (see clone): what each step does to versions and their lives.
// They know no store and no ledger.

var noTime time.Time

// policy is what lives are reckoned by.
type policy struct {
	now            time.Time
	window, margin time.Duration
	limit          int
	overdue        time.Duration // how late a run may be
}

// fresh is how soon a document whose lives count from an instant must be confirmed after it.
func (p policy) fresh() time.Duration { return max(p.window/8, time.Minute) }

// prompt is how soon a request must leave after it was recorded: the margin, which begins when others learn of it, covers so much.
// A margin of seconds, for trying things out, leaves it what a busy machine takes.
func (p policy) prompt() time.Duration { return min(max(p.margin/8, 2*time.Second), time.Minute) }

// clone returns a record that can be changed.
func (r *record) clone() *record {
	next := *r
	next.Versions = slices.Clone(r.Versions)
	return &next
}

func (r *record) version(id string) *version {
	for i := range r.Versions {
		if r.Versions[i].ID == id {
			return &r.Versions[i]
		}
	}
	return nil
}

// empty tells whether the ledger holds no value for the secret.
func (r *record) empty() bool { return r == nil || r.Current == "" }

// append adds a version under an id that was never used.
func (r *record) append(value string, res *resource) *version {
	r.Highest++
	r.Versions = append(r.Versions, version{ID: "v" + strconv.Itoa(r.Highest), Value: value, Resource: res})
	return &r.Versions[len(r.Versions)-1]
}

// create makes a first value current: nobody depends on an older one, so it has no activeFrom.
func (r *record) create(value string, res *resource, p policy) {
	r.Current = r.append(value, res).ID
	r.Created, r.Rotated = p.now.UTC(), p.now.UTC()
}

// announce adds a version that comes into use a window after readers could first see it.
func (r *record) announce(value string, res *resource, p policy) {
	v := r.append(value, res)
	v.ActiveFrom = ceilSecond(later(p.now.Add(p.window), later(r.Hold, r.Stray)))
	r.Announced, r.Ready = v.ID, noTime
	r.Rotated = p.now.UTC()
}

// flip makes a version current and gives the one before it its end.
func (r *record) flip(id string, rotation *secret.Rotation, p policy) {
	old, v := r.version(r.Current), r.version(id)
	r.lower(p)
	v.ActiveFrom = floorSecond(p.now)
	if old != nil {
		// A clock that was set back must not let At(now) find the older one.
		v.ActiveFrom = later(v.ActiveFrom, old.ActiveFrom)
		r.retire(old, rotation, p)
	}
	r.Current = id
	if r.Announced == id {
		r.Announced, r.Ready = "", noTime
	}
}

// lower lets versions that are in use begin now at the latest: a clock was ahead.
func (r *record) lower(p policy) {
	for i := range r.Versions {
		if v := &r.Versions[i]; v.Gone == "" && v.ID != r.Announced && v.ActiveFrom.After(p.now) {
			v.ActiveFrom = floorSecond(p.now)
		}
	}
}

// retire gives a version an end: readers that have not seen its successor sign with it for a window, and a margin covers late
// requests and clocks; what Rotation.Retain adds is what the last signature made with it gets. No life gets shorter.
func (r *record) retire(v *version, rotation *secret.Rotation, p policy) {
	ended := !v.ExpiresAt.IsZero() || v.Base.IsZero()
	v.Base = later(v.Base, ceilSecond(p.now.Add(p.window+p.margin)))
	more, forever := retention(rotation)
	if forever || !ended {
		v.ExpiresAt = noTime
		return
	}
	v.ExpiresAt = later(v.ExpiresAt, v.Base.Add(more))
}

// retime lets the lives of a document that was not confirmed in time count from now.
func (r *record) retime(rotation *secret.Rotation, p policy, in *intent) {
	if in.Op == OpRepair {
		r.repair(rotation, p)
		return
	}
	r.lower(p)
	v := r.version(r.Current)
	if !v.ActiveFrom.IsZero() {
		v.ActiveFrom = later(v.ActiveFrom, floorSecond(p.now))
	}
	if old := r.version(in.Replaced); old != nil && old.Gone == "" {
		r.retire(old, rotation, p)
	}
}

// repair follows a stray request: readers may have used whatever was current in it, so every version that has an end lives
// as long as if it had been replaced now.
func (r *record) repair(rotation *secret.Rotation, p policy) {
	for i := range r.Versions {
		v := &r.Versions[i]
		if v.Gone == "" && v.ID != r.Current && !v.ExpiresAt.IsZero() {
			r.retire(v, rotation, p)
		}
	}
	if v := r.version(r.Announced); v != nil {
		v.ActiveFrom = ceilSecond(p.now.Add(p.window + p.margin))
		r.Ready = noTime
	}
}

// extend lengthens lives where the declaration retains longer than it did.
func (r *record) extend(rotation *secret.Rotation) (changed []string) {
	more, forever := retention(rotation)
	for i := range r.Versions {
		v := &r.Versions[i]
		if v.Gone != "" || v.Base.IsZero() || v.ExpiresAt.IsZero() {
			continue
		}
		switch end := v.Base.Add(more); {
		case forever:
			v.ExpiresAt = noTime
		case end.After(v.ExpiresAt):
			v.ExpiresAt = end
		default:
			continue
		}
		changed = append(changed, v.ID)
	}
	return changed
}

// prune lets expired versions go.
func (r *record) prune(p policy) (gone []string) {
	if p.now.Before(r.Hold) {
		return nil
	}
	for i := range r.Versions {
		v := &r.Versions[i]
		if v.Gone == "" && v.ID != r.Current && v.ID != r.Announced && !v.ExpiresAt.IsZero() && !p.now.Before(v.ExpiresAt) {
			v.leave(GonePruned)
			gone = append(gone, v.ID)
		}
	}
	return gone
}

// leave takes a version out of the document: the ledger forgets its value and keeps id and life.
func (v *version) leave(why Gone) { v.Gone, v.Value = why, "" }

// Gone is why a version has left the document.
type Gone string

// The reasons why a version has left the document.
const (
	GonePruned    Gone = "pruned"    // it had expired
	GoneRevoked   Gone = "revoked"   // it was ended before its time
	GoneWithdrawn Gone = "withdrawn" // it was announced, and never came into use
	GoneRemoved   Gone = "removed"   // its secret was removed
)

// withdraw takes an announced version back: nobody has used it, and its id stays used.
func (r *record) withdraw(why Gone) {
	if v := r.version(r.Announced); v != nil {
		v.leave(why)
	}
	r.Announced, r.Ready = "", noTime
}

// previous returns the version that was current before the current one and is still there, or nil. One that holds the same
// value is no way back.
func (r *record) previous() *version {
	var found *version
	current := r.version(r.Current).Value
	for i := range r.Versions {
		switch v := &r.Versions[i]; {
		case v.ID == r.Current:
			return found
		case v.Gone == "" && v.ID != r.Announced && v.Value != current:
			found = v
		}
	}
	return nil
}

// holders returns the ids of all versions that hold a value.
func (r *record) holders(value string) []string {
	var ids []string
	for _, v := range r.Versions {
		if v.Gone == "" && v.Value == value {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

// confirm records that the store holds what the intent says. answered: by the one request that this run sent.
func (r *record) confirm(found driver.Published, answered bool, p policy) {
	in := r.Intent
	if !answered || in.Taken {
		r.Stray = later(r.Stray, p.now.Add(p.margin).UTC())
	}
	if in.Op == OpRepair || in.Op == OpTarget {
		r.Hold = later(r.Hold, p.now.Add(p.window+p.margin).UTC())
	}
	if r.Announced != "" && r.Ready.IsZero() {
		r.Ready = later(p.now.Add(p.window), r.Stray).UTC()
	}
	r.Published = &published{Gen: r.Gen, Note: in.Note, Modified: found.Modified, At: p.now.UTC(), Bytes: len(in.Text), Sum: in.Sum}
	r.Intent = nil
	r.Sent = slices.Clone(r.Sent)
	for i := range r.Sent {
		if r.Sent[i].Until.IsZero() {
			r.Sent[i].Until = p.now.Add(p.margin).UTC()
		}
	}
}

// mayReturn returns the texts that a late request may bring back once another text
// is sent: those of before, and the one that is recorded or published now.
func (r *record) mayReturn(p policy) []sent {
	var list []sent
	add := func(s sent) {
		if s.Sum != "" && !slices.ContainsFunc(list, func(o sent) bool { return o.Sum == s.Sum }) {
			list = append(list, s)
		}
	}
	if r.Intent != nil {
		add(sent{Sum: r.Intent.Sum})
	}
	if r.Published != nil {
		add(sent{Sum: r.Published.Sum})
	}
	for _, s := range r.Sent {
		if s.Until.IsZero() || p.now.Before(s.Until) {
			add(s)
		}
	}
	return list
}

// capInstants lowers recorded instants that lie further in the future than they
// could have been recorded by a clock that is right: one was far ahead.
func (r *record) capInstants(p policy) {
	most := func(t *time.Time, length time.Duration) {
		if limit := p.now.Add(length).UTC(); t.After(limit) {
			*t = limit
		}
	}
	most(&r.Created, 0)
	most(&r.Rotated, 0)
	most(&r.Ready, p.window+p.margin)
	most(&r.Hold, p.window+p.margin)
	most(&r.Stray, p.margin)
	if v := r.version(r.Announced); v != nil {
		most(&v.ActiveFrom, p.window+p.margin+time.Second)
	}
}

// future returns the latest recorded instant after now, or zero.
func (r *record) future(now time.Time) time.Time {
	latest := later(r.Created, r.Rotated)
	if r.Published != nil {
		latest = later(latest, r.Published.At)
	}
	if r.Intent != nil {
		latest = later(latest, r.Intent.At)
	}
	for _, v := range r.Versions {
		if v.Gone == "" && v.ID != r.Announced {
			latest = later(latest, v.ActiveFrom)
		}
	}
	if !latest.After(now) {
		return noTime
	}
	return latest
}

// unused takes the resources of versions that are gone out of the record.
func (r *record) unused() []resource {
	var list []resource
	for i := range r.Versions {
		if v := &r.Versions[i]; v.Gone != "" && v.Resource != nil {
			list = append(list, *v.Resource)
			v.Resource = nil
		}
	}
	return list
}
