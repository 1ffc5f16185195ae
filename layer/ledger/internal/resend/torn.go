package resend

import (
	"bytes"
	"errors"
	"io"

	"filippo.io/age"
)

const ageHeader = "age-encryption.org/v1\n"

// torn reports whether a blob that cannot be opened may be part of a valid one: it
// begins like an age file for ids, and is cut off or continues with other content.
func torn(sealed []byte, ids []age.Identity) bool {
	n := min(len(sealed), len(ageHeader))
	if string(sealed[:n]) != ageHeader[:n] || len(ids) == 0 {
		return false
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), ids...)
	if foreign := (*age.NoIdentityMatchError)(nil); errors.As(err, &foreign) {
		return false
	}
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	return err != nil
}
