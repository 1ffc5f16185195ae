package rotate

import (
	"fmt"

	"github.com/layeron-hq/secret"
)

// Value returns the current value of a secret. [ErrNotFound]: the ledger holds none.
func (s State) Value(addr secret.Address) (Value, error) {
	rec := s.state().find(addr)
	if rec.empty() {
		return Value{}, fmt.Errorf("%w: the ledger holds no value of %s", ErrNotFound, addr)
	}
	return NewValue(rec.version(rec.Current).Value), nil
}

// Text returns the text of a secret as it is published: with all versions that readers see. [ErrNotFound]: the ledger holds
// none.
func (s State) Text(spec secret.SpecSecret) (Value, error) {
	rec := s.state().find(spec.Address)
	switch {
	case rec.empty():
		return Value{}, fmt.Errorf("%w: the ledger holds no value of %s", ErrNotFound, spec.Address)
	case rec.Intent != nil:
		return NewValue(rec.Intent.Text), nil
	}
	text, err := rec.render(spec, DefaultLimit)
	return NewValue(text), err
}
