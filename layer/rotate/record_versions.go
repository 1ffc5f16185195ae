package rotate

import (
	"slices"
	"strconv"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file computes the lives of versions: what announce, flip, prune, repair
// and confirm do to a record. The functions change a record that belongs to the
// caller (see clone) and use no target and no ledger. They must keep these
// rules:
//
//   - A version becomes current only a window after its announcement was
//     confirmed, and not while a late request may still bring back a text
//     without it.
//   - A replaced version lives for a window, in which readers still use it, a
//     margin, which covers late requests and clock skew, and the declared
//     Retain.
//   - No life gets shorter, except by an order to revoke, withdraw or remove,
//     and no version is pruned before its end.

var noTime time.Time

// policy is the time and the durations that lives are computed from.
type policy struct {
	now            time.Time
	window, margin time.Duration
	limit          int           // of a text, in bytes
	overdue        time.Duration // how late a run may be
}

// fresh returns how soon after its instant a text with lives that count from
// that instant must be confirmed: an eighth of the window, at least a minute.
// Readers are at most three quarters of the window behind, so every reader has
// the text before a window from that instant is over.
func (p policy) fresh() time.Duration { return max(p.window/8, time.Minute) }

// prompt returns how soon after it was recorded a request must be sent: an
// eighth of the margin, from 2 seconds to a minute. Another run that takes over
// the intent expects late requests for a margin from then, so a request must
// not be sent later. The 2 seconds are for a busy machine, if the margin is
// only seconds for a trial.
func (p policy) prompt() time.Duration { return min(max(p.margin/8, 2*time.Second), time.Minute) }

// clone returns a copy of the record that can be changed. It shares the
// pointers of the fields, so an intent is replaced and not changed.
func (r *record) clone() *record {
	next := *r
	next.Versions = slices.Clone(r.Versions)
	return &next
}

// version returns the version with that id, whether it has left or not, or nil.
// A version that has left may have had the id v1 before the present one: see
// toDocument.
func (r *record) version(id string) (found *version) {
	for i := range r.Versions {
		if v := &r.Versions[i]; v.ID == id {
			if found = v; v.Gone == "" {
				break
			}
		}
	}
	return found
}

// empty reports whether the ledger holds no value for the secret.
func (r *record) empty() bool { return r == nil || r.Current == "" }

// lastChanged returns when the current version became current. A first value has no
// activeFrom. Zero: there is no current version.
func (r *record) lastChanged() time.Time {
	switch v := r.version(r.Current); {
	case v == nil:
		return noTime
	case v.ActiveFrom.IsZero():
		return r.Created
	default:
		return v.ActiveFrom
	}
}

// append adds a version under an id that was never used, and returns it.
func (r *record) append(value string, res *resource) *version {
	r.Highest++
	r.Versions = append(r.Versions, version{ID: numbered(r.Highest), Value: value, Resource: res,
		Bare: r.Bare})
	return &r.Versions[len(r.Versions)-1]
}

// numbered returns the id vN.
func numbered(n int) string { return "v" + strconv.Itoa(n) }

// create makes a first value current. It has no activeFrom, since no reader
// depends on an older value.
func (r *record) create(value string, res *resource, p policy) {
	r.Current = r.append(value, res).ID
	r.Created, r.Rotated = p.now.UTC(), p.now.UTC()
}

// announce adds a version with the planned instant of its flip: a window from
// now, and not before Hold or Stray. The real flip counts from the
// confirmation, which confirm records in Ready; activeFrom is rounded up to a
// second.
func (r *record) announce(value string, res *resource, p policy) {
	v := r.append(value, res)
	v.ActiveFrom = ceilSecond(later(p.now.Add(p.window), later(r.Hold, r.Stray)))
	r.Announced, r.Ready = v.ID, noTime
	r.Rotated = p.now.UTC()
}

// flip makes a version current, from now rounded down to a second, and gives
// the version before it an end.
func (r *record) flip(id string, rotation *secret.Rotation, p policy) {
	old, v := r.version(r.Current), r.version(id)
	r.lower(p)
	v.ActiveFrom = floorSecond(p.now)
	if old != nil {
		// If a clock was set back, At(now) would otherwise return the older version.
		v.ActiveFrom = later(v.ActiveFrom, old.ActiveFrom)
		r.retire(old, rotation, p)
		old.Bare = old.Bare || r.Bare
	}
	r.Current = id
	if r.Announced == id {
		r.Announced, r.Ready = "", noTime
	}
}

// lower moves the start of every version in use to now if it lies in the
// future: a clock that was ahead recorded it.
func (r *record) lower(p policy) {
	for i := range r.Versions {
		if v := &r.Versions[i]; v.Gone == "" && v.ID != r.Announced && v.ActiveFrom.After(p.now) {
			v.ActiveFrom = floorSecond(p.now)
		}
	}
}

// retire gives a version an end, rounded up to a second. Readers that have not
// seen its successor sign with it for a window; a margin covers late requests
// and clock skew. The time that Rotation.Retain adds is then the life of the
// last signature made with it. No life gets shorter: a replaced version without
// an end keeps none.
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

// retime makes the lives of a text that was not confirmed in time count from
// now. Readers may not have seen the text yet, so the life of the replaced
// version has to begin anew too.
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

// repair follows a late request that brought an earlier text back. Readers may
// have used the version that is current in that text, so every version with an
// end lives as long as if it had been replaced now. The window of an announced
// version begins anew, and a margin is added to its planned start.
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

// extend lengthens the lives that the declaration now retains for longer, and
// returns their ids. It shortens none.
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

// prune removes the expired versions from the document and returns their ids.
// While Hold lasts it removes none.
func (r *record) prune(p policy) (gone []string) {
	if p.now.Before(r.Hold) {
		return nil
	}
	for i := range r.Versions {
		v := &r.Versions[i]
		if v.Gone == "" && v.ID != r.Current && v.ID != r.Announced &&
			!v.ExpiresAt.IsZero() && !p.now.Before(v.ExpiresAt) {
			v.leave(GonePruned)
			gone = append(gone, v.ID)
		}
	}
	return gone
}

// leave takes a version out of the document. The ledger drops its value and
// keeps its id and life.
func (v *version) leave(why Gone) { v.Gone, v.Value = why, "" }

// Gone is why a version has left the document.
type Gone string

// The reasons why a version has left the document.
const (
	GonePruned    Gone = "pruned"    // it had expired
	GoneRevoked   Gone = "revoked"   // it was ended before its time
	GoneWithdrawn Gone = "withdrawn" // it was announced and never became current
	GoneRemoved   Gone = "removed"   // its secret was removed
	GoneReplaced  Gone = "replaced"  // it was replaced while the text was a bare value
)

// withdraw takes an announced version back. It was never current, and its id is
// never used again.
func (r *record) withdraw(why Gone) {
	if v := r.version(r.Announced); v != nil {
		v.leave(why)
	}
	r.Announced, r.Ready = "", noTime
}

// previous returns the last version before the current one that has not left,
// or nil. It skips versions with the current value, which a rollback would not
// change.
func (r *record) previous() *version {
	var found *version
	current := r.version(r.Current).Value
	for i := range r.Versions {
		switch v := &r.Versions[i]; {
		case v.Gone != "":
		case v.ID == r.Current:
			return found
		case v.ID != r.Announced && v.Value != current:
			found = v
		}
	}
	return nil
}

// holders returns the ids of all versions in the document that have this value.
func (r *record) holders(value string) []string {
	var ids []string
	for _, v := range r.Versions {
		if v.Gone == "" && v.Value == value {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

// confirm records that the target holds the intent. answered reports that this
// run sent it and received an answer without an error.
func (r *record) confirm(found driver.Published, answered bool, p policy) {
	in := r.Intent
	// A second request, or one without an answer, may still be under way.
	if !answered || in.Taken {
		r.Stray = later(r.Stray, p.now.Add(p.margin).UTC())
	}
	// Readers change over from an earlier text, or from another target, only now.
	if in.Op == OpRepair || in.Op == OpTarget {
		r.Hold = later(r.Hold, p.now.Add(p.window+p.margin).UTC())
	}
	// The window counts from here: only a confirmed announcement reaches readers. A
	// late request could still replace it by a text without the announced version.
	if r.Announced != "" && r.Ready.IsZero() {
		r.Ready = later(p.now.Add(p.window), r.Stray).UTC()
	}
	r.Published = &published{Gen: r.Gen, Note: in.Note, Modified: found.Modified, At: p.now.UTC(),
		Bytes: len(in.Text), Sum: in.Sum}
	r.Intent = nil
	r.Sent = slices.Clone(r.Sent)
	for i := range r.Sent {
		if r.Sent[i].Until.IsZero() {
			r.Sent[i].Until = p.now.Add(p.margin).UTC()
		}
	}
}

// mayReturn returns the texts that a late request may bring back once another
// text is sent: the earlier ones, and the one that is recorded or published
// now.
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

// capInstants lowers the recorded instants that lie further in the future than
// a correct clock could have recorded: the clock of an earlier run was far
// ahead. Without it, such an instant would block every flip and prune until it
// is past.
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

// future returns the latest recorded instant after now, or zero if there is
// none.
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

// unused takes the resources of versions that have left out of the record and
// returns them.
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
