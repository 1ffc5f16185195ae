package ledger

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/layeron-hq/secret/layer/internal/atomicfile"
)

// madeByLayer is the first line of an identity file that WriteIdentity made.
const madeByLayer = "# made by layer"

// ledgerPrefix begins a line with the id of a ledger.
const ledgerPrefix = "# ledger "

// ledgerOf returns the id in a line of an identity file.
func ledgerOf(line string) (id string, ok bool) {
	id, ok = strings.CutPrefix(line, ledgerPrefix)
	id = strings.TrimSpace(id)
	return id, ok && IsID(id)
}

// IsID reports whether a text has the form of a [rotate.State.ID].
func IsID(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}

// Ledgers returns the ids of the ledgers that the identities are for: the comment
// lines "# ledger ID" of the text that they were parsed from. They let a machine that
// has only the identity recognize the ledger, see [RememberOptions].IDs.
func (ids Identities) Ledgers() []string {
	if ids.p == nil {
		return nil
	}
	return slices.Clone(ids.p.Load().ledgers)
}

// AddLedger adds the line "# ledger ID" to an identity file that [WriteIdentity]
// made, and reports whether the file has the line now. It changes no other file, such
// as one of age-keygen.
func AddLedger(path, id string) (named bool, err error) {
	text, err := atomicfile.Read(path, maxIdentities)
	if err != nil {
		return false, fmt.Errorf("identity %s: %w", path, err)
	}
	ids, err := ParseIdentities(string(text))
	if err != nil {
		return false, fmt.Errorf("identity %s: %w", path, err)
	}
	line := ledgerPrefix + id + "\n"
	switch first, _, _ := strings.Cut(string(text), "\n"); {
	case slices.Contains(ids.Ledgers(), id):
		return true, nil
	case strings.TrimSpace(first) != madeByLayer:
		return false, nil
	case text[len(text)-1] != '\n':
		line = "\n" + line
	}
	// A line that a crash cuts short is a comment, and the key before it is untouched.
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString(line)
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err != nil {
		return false, fmt.Errorf("identity %s: the line %q cannot be added: %w", path, strings.TrimSpace(line), atomicfile.Cause(err))
	}
	return true, nil
}
