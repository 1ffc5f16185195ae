package keyring

import (
	"encoding"
	"fmt"
	"io"
	"strconv"
)

var (
	_ fmt.Formatter          = (*Signer)(nil)
	_ encoding.TextMarshaler = (*Signer)(nil)
	_ fmt.Formatter          = (*Sealer)(nil)
	_ encoding.TextMarshaler = (*Sealer)(nil)
)

// String returns the secret's address and the purpose.
func (s *Signer) String() string { return s.made().describe("Signer") }

// Format writes the text of String, under every verb and flag.
func (s *Signer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns the text of String.
func (s *Signer) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns the secret's address and the purpose.
func (s *Sealer) String() string { return s.made().describe("Sealer") }

// Format writes the text of String, under every verb and flag.
func (s *Sealer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns the text of String.
func (s *Sealer) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (r *ring) describe(what string) string {
	if r == nil {
		return what + " that New" + what + " did not make"
	}
	return what + " under " + r.secret.String() + " for " + strconv.Quote(r.purpose)
}
