package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// Ledgers returns the ids of the ledgers that the identities belong to, from the
// comment lines "# ledger ID" of the parsed text. With them, a machine that has
// only the identity can recognize the ledger, see [RememberOptions].IDs.
func (ids Identities) Ledgers() []string {
	if ids.p == nil {
		return nil
	}
	return slices.Clone(ids.p.Load().ledgers)
}

// AddLedger adds the line "# ledger ID" to an identity file that [WriteIdentity]
// made, in place of the lines of the ids before, and reports whether the file has the
// line now. It replaces the whole file. It never changes a file that another program
// made, such as a key of age-keygen, an SSH key or an encrypted identity, or a file
// behind a link.
func AddLedger(path, id string, before ...string) (named bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("identity %s: the id of the ledger cannot be added: %w", path, atomicfile.Cause(err))
		}
	}()
	f, err := atomicfile.OpenPlain(path, os.O_RDONLY)
	if errors.Is(err, atomicfile.ErrLink) || errors.Is(err, atomicfile.ErrHardLink) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxIdentities))
	if err != nil {
		return false, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if strings.TrimSpace(first) != madeByLayer {
		return slices.Contains(ledgersOf(string(text)), id), nil
	}
	ids, err := ParseIdentities(string(text))
	if err != nil {
		return false, err
	}
	next, had := withoutLedgers(string(text), before)
	if slices.Contains(ids.Ledgers(), id) && !had {
		return true, nil
	}
	if !slices.Contains(ids.Ledgers(), id) {
		next += ledgerPrefix + id + "\n"
	}
	folder, err := atomicfile.Open(filepath.Dir(path), nil)
	if err != nil {
		return false, err
	}
	defer folder.Root.Close()
	access, err := folder.Access(filepath.Base(path))
	if err != nil {
		return false, err
	}
	_, err = folder.Replace(filepath.Base(path), []byte(next), access)
	return err == nil, err
}

// withoutLedgers returns the text of an identity file without the lines of these ids,
// and reports whether there were any. Its last line is ended.
func withoutLedgers(text string, ids []string) (rest string, had bool) {
	for line := range strings.Lines(text) {
		if id, ok := ledgerOf(strings.TrimSpace(line)); ok && slices.Contains(ids, id) {
			had = true
			continue
		}
		rest += strings.TrimSuffix(line, "\n") + "\n"
	}
	return rest, had
}
