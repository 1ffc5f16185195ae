package ledger

import (
	"maps"
	"slices"
)

// This file keeps layer.seen bounded. A machine that opens a new ledger every
// day, such as one for each preview, would otherwise reach the limit of the file,
// and then open none. The least recently used place leaves first. A ledger that
// left is as on a machine that has not seen it: its id decides.

const (
	maxPlaces   = 256
	maxRemember = maxSeen / 2 // bytes that are written
)

// forget drops ledgers without a place, and then the least recently used places
// with their ledgers, until the memory is within its bounds. It never drops the
// place in use.
func (s *seen) forget(inUse string) {
	places := s.order()
	for s.exceeds() {
		if s.dropPlaceless() {
			continue
		}
		if len(places) == 0 || places[0] == inUse {
			break // order returns the place in use as the last one
		}
		delete(s.Places, places[0])
		places = places[1:]
	}
	s.Used = slices.DeleteFunc(s.Used, func(place string) bool { return s.Places[place] == "" })
}

func (s *seen) exceeds() bool {
	return len(s.Places) > maxPlaces || len(s.Ledgers) > maxPlaces || len(s.encode()) > maxRemember
}

// order returns the places, the least recently used first. An earlier layer keeps
// no order: its places count as not used.
func (s *seen) order() []string {
	list := slices.DeleteFunc(slices.Sorted(maps.Keys(s.Places)), func(place string) bool {
		return slices.Contains(s.Used, place)
	})
	return append(list, slices.DeleteFunc(slices.Clone(s.Used), func(place string) bool { return s.Places[place] == "" })...)
}

// dropPlaceless drops the ledgers that are in no place: another ledger took their
// place. It reports whether there were any.
func (s *seen) dropPlaceless() bool {
	placed := map[string]bool{}
	for _, origin := range s.Places {
		placed[origin] = true
	}
	before := len(s.Ledgers) + len(s.Marks)
	maps.DeleteFunc(s.Ledgers, func(origin string, _ seenLedger) bool { return !placed[origin] })
	maps.DeleteFunc(s.Marks, func(origin string, _ []string) bool { return !placed[origin] })
	return len(s.Ledgers)+len(s.Marks) < before
}

// fades reports whether the place would be among the next to leave. Then a ledger
// that is only read has to be remembered again. With few places none leaves.
func (s seen) fades(place string) bool {
	order := s.order()
	i := slices.Index(order, place)
	return len(order) > maxPlaces/2 && i >= 0 && i < len(order)/2
}
