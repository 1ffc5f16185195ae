package rotate

import "slices"

// This file keeps the ledger bounded: with the same secrets its size must not
// grow with time. Every write passes bounded, so the ledger of an earlier layer
// shrinks at its next write. Two rules make it safe to cut a version that has
// left the document: ids follow record.Highest alone, so none is used again;
// and no decision depends on a version that has left, which the exploration
// shows with a ledger that keeps none.

const (
	// keepGone is how many versions that have left the document are kept for each
	// secret: enough that timeline shows the rotations of the last weeks. With more,
	// they would be the larger part of a ledger, and of the time to load it.
	keepGone = 4
	// keepLog is how many entries of the log are kept, and keepLogOf how many for
	// each secret, if that is more. So the log has every change of the last run, and
	// with 10 secrets that rotate each week those of the last year.
	keepLog   = 2000
	keepLogOf = 2
	// keepFormer is how many former keys without a reach are kept. A machine that
	// has not seen the ledger since then asks the operator again.
	keepFormer = 64
)

// bounded returns the state without the past that is no longer kept.
func (s *state) bounded() *state {
	next := *s
	shared := true
	for i, r := range s.Secrets {
		short := r.bounded(keepGone)
		if short == r {
			continue
		}
		if shared {
			next.Secrets, shared = slices.Clone(s.Secrets), false
		}
		next.Secrets[i] = short
	}
	next.Log = lastOf(next.Log, max(keepLog, keepLogOf*len(s.Secrets)))
	return &next
}

// bounded returns the record with the last keep versions that have left the
// document, and r itself if nothing changes. A removed secret keeps none: its
// ids and its generation are in fields of their own. A version with a resource
// stays until the generator may retire that. The end before Retain is needed
// only while a version is in the document.
func (r *record) bounded(keep int) *record {
	if r.Removed {
		keep = 0
	}
	gone, changes := 0, false
	past := func(v *version) bool { return v.Gone != "" && v.Resource == nil }
	for i := range r.Versions {
		if v := &r.Versions[i]; past(v) {
			gone++
			changes = changes || !v.Base.IsZero()
		}
	}
	if gone <= keep && !changes {
		return r
	}
	next := *r
	next.Versions = make([]version, 0, len(r.Versions)-max(0, gone-keep))
	for _, v := range r.Versions {
		if past(&v) {
			if gone--; gone >= keep {
				continue
			}
			v.Base = noTime
		}
		next.Versions = append(next.Versions, v)
	}
	return &next
}

// lastOf returns the last n elements of a list.
func lastOf[E any](list []E, n int) []E { return list[max(0, len(list)-n):] }
