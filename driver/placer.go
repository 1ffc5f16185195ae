package driver

import "context"

// Placer is a [Publisher] whose place can vanish or be exchanged for another
// one, such as a folder on a disk that is not mounted.
type Placer interface {
	// Place identifies the place where the values are: it returns the same text as
	// long as the place is the same, another one for another place, and "" if the
	// place does not exist. The engine stops a run that finds another place than at
	// the last confirmation, until a person decides.
	Place(ctx context.Context) (string, error)
}
