package driver

import "context"

// Generator makes the values of generated secrets whose declarations name it:
// credentials that another service issues, such as API tokens. No error of a
// Generator shows a value or a credential.
type Generator interface {
	// Make makes a value under name, which the ledger holds already, so that
	// Sweep finds the value after a crash. It sends one request, once.
	Make(ctx context.Context, name string, params map[string]string) (Made, error)
	// Retire ends the value with this [Made].ID. A value that no longer exists is
	// not an error.
	Retire(ctx context.Context, id string) error
	// Sweep ends every value that exists under exactly one of these names and
	// whose id is not in known: the remains of a crash.
	Sweep(ctx context.Context, names, known []string) error
}

// Made is the result of [Generator].Make.
type Made struct {
	// Value is the secret's text.
	Value Value
	// ID identifies the value for Retire, such as the id of a token. It is not
	// secret.
	ID string
}
