package driver

import "context"

// Remover is a [Publisher] that can delete values.
type Remover interface {
	// Remove deletes the named values with their notes. A name without a value is
	// not an error. Errors are reported as by [Publisher].Publish.
	Remove(ctx context.Context, names []string) []error
}
