package driver

import "context"

// Checker is a [Publisher] that can report in advance that values cannot be
// created, because a permission or room is missing.
type Checker interface {
	// Check returns an error if values with these names cannot be created. The
	// engine calls it before it changes the ledger, with the names that the run
	// will create.
	Check(ctx context.Context, create []string) error
}
