package secret

import (
	"cmp"
	"slices"
	"time"
)

// isAscending reports whether no version of entries begins before an earlier
// one in the text.
func isAscending(entries []entry) bool {
	for i := 1; i < len(entries); i++ {
		if entries[i].activeFrom.Before(entries[i-1].activeFrom) {
			return false
		}
	}
	return true
}

// at returns the index of the version that was in force at t, or -1.
//
// A version that begins after the current one is announced: no program has used
// it yet, so it is returned only if no other version fits.
func (d *document) at(t time.Time) int {
	if len(d.entries) == 0 {
		return -1
	}
	current := &d.entries[d.current]
	if current.activeAt(t) {
		return int(d.current) // a version that begins later is announced
	}
	// Versions from end on begin after t.
	end := len(d.entries)
	if d.ascending && end > few {
		for begin := 0; begin < end; {
			if mid := (begin + end) / 2; d.entries[mid].begun(t) {
				begin = mid + 1
			} else {
				end = mid
			}
		}
	}
	best, bestAnnounced := -1, false
	for i := end - 1; i >= 0; i-- {
		e := &d.entries[i]
		if i == int(d.current) || !e.activeAt(t) {
			continue
		}
		if d.ascending && i < int(d.current) {
			return i // those before it in the text began earlier
		}
		announced := current.activeFrom.Before(e.activeFrom)
		if d.ascending && !announced {
			return i
		}
		if best < 0 || bestAnnounced && !announced ||
			bestAnnounced == announced && d.entries[best].activeFrom.Before(e.activeFrom) {
			best, bestAnnounced = i, announced
		}
	}
	return best
}

// accepted returns the versions that have not expired at t; with begun only
// those that have begun. They are in the order of Active.
func (d *Document) accepted(t time.Time, begun bool) []Version {
	data := d.data()
	accepts := func(e *entry) bool { return !e.expired(t) && (!begun || e.begun(t)) }
	count := 0
	for i := range data.entries {
		if accepts(&data.entries[i]) {
			count++
		}
	}
	vs := make([]Version, 0, count)
	order := data.inOrder()
	for n := range data.entries {
		i := len(data.entries) - 1 - n
		if order != nil {
			i = int(order[n])
		}
		if e := &data.entries[i]; accepts(e) {
			vs = append(vs, e.version(d, i))
		}
	}
	return vs
}

// inOrder returns the indexes of the versions in the order of Active: first the
// current one, then by activeFrom, latest first, and for equal times the later
// in the text first. It returns nil if that is the text backwards, as in most
// documents.
func (d *document) inOrder() []int32 {
	n := len(d.entries)
	if d.ascending && int(d.current) == n-1 || n == 0 {
		return nil
	}
	if known := d.order.Load(); known != nil {
		return *known
	}
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int {
		switch {
		case i == j:
			return 0
		case i == d.current:
			return -1
		case j == d.current:
			return 1
		}
		return cmp.Or(d.entries[j].activeFrom.Compare(d.entries[i].activeFrom), cmp.Compare(j, i))
	})
	d.order.Store(&order) // concurrent callers store the same
	return order
}
