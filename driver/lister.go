package driver

import "context"

// Lister is a [Publisher] whose texts can be read, so that it can report which
// versions readers find.
type Lister interface {
	// Versions returns the ids of the versions that the named value holds, in their
	// order, and nil if there is no value or none that can be parsed.
	Versions(ctx context.Context, name string) ([]string, error)
}
