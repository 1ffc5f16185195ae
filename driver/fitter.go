package driver

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Fitter is a [Publisher] whose values share a limited room.
type Fitter interface {
	// Fits returns an error if the target cannot hold texts of these sizes, in bytes
	// by name, beside its other values. A text that is smaller than the one it
	// replaces makes room. The engine calls Fits before it records the texts. If the
	// error is a [NoRoom], the engine publishes the other texts; after any other
	// error it publishes none.
	Fits(ctx context.Context, sizes map[string]int) error
}

// NoRoom is an error of [Fitter]: the reason for each name whose text does not
// fit. The other texts fit together.
type NoRoom map[string]error

// Error returns the reason for the first name, and the number of the others.
func (e NoRoom) Error() string {
	names := slices.Sorted(maps.Keys(e))
	switch len(names) {
	case 0:
		return "no room"
	case 1:
		return fmt.Sprintf("%s: %v", names[0], e[names[0]])
	}
	return fmt.Sprintf("%s, and %d more: %v", names[0], len(names)-1, e[names[0]])
}

// Unwrap returns the reasons, by name.
func (e NoRoom) Unwrap() []error {
	var list []error
	for _, name := range slices.Sorted(maps.Keys(e)) {
		list = append(list, e[name])
	}
	return list
}
