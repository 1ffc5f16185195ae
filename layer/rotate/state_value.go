package rotate

import (
	"fmt"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// This file reads values from a state, for commands that show or pass them on.
// It is no step of a rotation and changes nothing.

// Value returns the current value of a secret, or an error that wraps
// [ErrNotFound] if the ledger holds none.
func (s State) Value(addr secret.Address) (driver.Value, error) {
	rec := s.state().find(addr)
	if rec.empty() {
		return driver.Value{}, fmt.Errorf("%w: the ledger holds no value of %s", ErrNotFound, addr)
	}
	return driver.NewValue(rec.version(rec.Current).Value), nil
}

// Announced returns the value that is announced for a secret, and false if none
// is.
func (s State) Announced(addr secret.Address) (driver.Value, bool) {
	rec := s.state().find(addr)
	if rec.empty() || rec.Announced == "" {
		return driver.Value{}, false
	}
	return driver.NewValue(rec.version(rec.Announced).Value), true
}

// Text returns the text of a secret as it is published, with all versions in
// its document. If a text is recorded and not yet confirmed, it returns that
// one. The error wraps [ErrNotFound] if the ledger holds no value.
func (s State) Text(spec secret.SpecSecret) (driver.Value, error) {
	rec := s.state().find(spec.Address)
	switch {
	case rec.empty():
		return driver.Value{}, fmt.Errorf("%w: the ledger holds no value of %s", ErrNotFound, spec.Address)
	case rec.Intent != nil:
		return driver.NewValue(rec.Intent.Text), nil
	}
	text, err := rec.render(spec, DefaultLimit)
	return driver.NewValue(text), err
}
