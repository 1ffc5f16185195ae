package rotate

import "context"

// Generator makes the values of generated secrets that name it ([secret.Options].Generator): credentials that another
// service mints, such as API tokens. No error of a Generator shows a value or a credential.
type Generator interface {
	// Make makes a value. The ledger holds name already, so that whatever was made under it is found again after a crash. It
	// sends one request, once.
	Make(ctx context.Context, name string, params map[string]string) (Made, error)
	// Retire ends what Make made. What is gone already is no error.
	Retire(ctx context.Context, id string) error
	// Sweep ends whatever exists under exactly one of these names and has none of the known ids: the leavings of a crash.
	Sweep(ctx context.Context, names, known []string) error
}

// Made is what a Generator made.
type Made struct {
	// Value is the secret's text.
	Value Value
	// ID is what Retire takes, such as a token's id. It is no secret.
	ID string
}
