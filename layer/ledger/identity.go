package ledger

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"

	"filippo.io/age"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/atomicfile"
)

// IdentityVariable is the environment variable that may contain an identity, in
// place of a file.
const IdentityVariable = "LAYER_IDENTITY"

const maxIdentities = 64 << 10 // bytes of an identity file

// Identities are the private keys that open a ledger. They redact themselves when
// printed. They are immutable and safe for concurrent use. The zero Identities
// open nothing.
type Identities struct {
	p *atomic.Pointer[identities] // reflection, and therefore fmt, shows only an address
}

type identities struct {
	keys      []key
	ledgers   []string // see Identities.Ledgers
	protected bool     // see Identities.Attended
}

// key is one private key.
type key struct {
	age.Identity
	recipient string // the public key; empty: unknown, as an age plugin may keep it
	secret    []byte // makes marks, see markKeys; nil: another program has the key
}

func (ids Identities) list() []key {
	if ids.p == nil {
		return nil
	}
	return ids.p.Load().keys
}

// All returns each private key as one [age.Identity], for [rotate.Unseal]. The
// slice is never nil.
func (ids Identities) All() []age.Identity {
	all := []age.Identity{}
	for _, k := range ids.list() {
		all = append(all, k.Identity)
	}
	return all
}

// Recipients returns the public keys, for [rotate.Settings]. The one of an age
// plugin is known if a comment line of the file names it, as plugins write it:
// "# public key: age1NAME1…" or "# Recipient: age1NAME1…".
func (ids Identities) Recipients() []string {
	var to []string
	for _, k := range ids.list() {
		if k.recipient != "" {
			to = append(to, k.recipient)
		}
	}
	return to
}

// Attended reports whether the identities may need a person: a passphrase protects
// them, or an age plugin has a key and may ask for a PIN or a touch. See [Prompts].
func (ids Identities) Attended() bool {
	for _, k := range ids.list() {
		if _, ok := k.Identity.(pluginIdentity); ok {
			return true
		}
	}
	return ids.p != nil && ids.p.Load().protected
}

// String returns only the number of keys.
func (ids Identities) String() string { return fmt.Sprintf("[%d identities]", len(ids.list())) }

// Format writes the result of String under every verb and flag.
func (ids Identities) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, ids.String()) }

// MarshalText returns the result of String, for encoding/json and log/slog.
func (ids Identities) MarshalText() ([]byte, error) { return []byte(ids.String()), nil }

// NewIdentity generates a private key, in the form that [WriteIdentity] and
// [ParseIdentities] accept, and returns it with its public key.
func NewIdentity() (identity driver.Value, recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return driver.Value{}, "", errors.New("no identity could be made: the system returned no random bytes")
	}
	return driver.NewValue(id.String()), id.Recipient().String(), nil
}

// WriteIdentity writes identities to a new file that only its owner can read (mode
// 0600), in the format of age-keygen. The file has one comment line for the id of
// each ledger, see [Identities.Ledgers]. An existing file is never overwritten:
// the error wraps [fs.ErrExist].
func WriteIdentity(path string, identity driver.Value, ledgers ...string) error {
	ids, err := ParseIdentities(identity.Reveal())
	if err != nil {
		return err
	}
	for _, k := range ids.list() {
		switch k.Identity.(type) {
		case *age.X25519Identity, *age.HybridIdentity:
		default:
			return errors.New("only a key of age itself can be written to an identity file")
		}
	}
	var text strings.Builder
	text.WriteString(madeByLayer + "\n")
	for _, id := range ledgers {
		text.WriteString(ledgerPrefix + id + "\n")
	}
	for _, to := range ids.Recipients() {
		text.WriteString("# public key: " + to + "\n")
	}
	text.WriteString(strings.TrimSpace(identity.Reveal()) + "\n")
	switch written, err := atomicfile.Create(path, []byte(text.String())); {
	case errors.Is(err, fs.ErrExist) && leadsNowhere(path):
		return fmt.Errorf("%w (%w)", linkToNowhere(path), fs.ErrExist)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("identity %s: %w: it may be the only key to a ledger, so it is not overwritten. Use it, or "+
			"move it away", path, fs.ErrExist)
	case err != nil && written:
		return fmt.Errorf("the identity may be lost if the machine fails now: %w", err)
	case err != nil:
		return fmt.Errorf("the identity cannot be written: %w", err)
	}
	return nil
}

// ReadIdentities is [Prompts.ReadIdentities] without a person to ask.
func ReadIdentities(path string) (Identities, error) { return Prompts{}.ReadIdentities(path) }

// ReadIdentities reads a file of private keys, see [Prompts.ParseIdentities]. If
// the file does not exist, the error wraps [fs.ErrNotExist]. A file that other users
// may write is refused; [IdentityReadable] warns of one that they may read.
// ReadIdentities also removes the temporary files of a [WriteIdentity] that was
// killed.
func (p Prompts) ReadIdentities(path string) (Identities, error) {
	atomicfile.SweepDeadOf(path)
	text, mode, err := atomicfile.ReadInfo(path, maxIdentities)
	switch {
	case errors.Is(err, fs.ErrNotExist) && leadsNowhere(path):
		return Identities{}, linkToNowhere(path)
	case errors.Is(err, fs.ErrNotExist):
		return Identities{}, fmt.Errorf("identity %s: %w: give the file with the private key in --identity, or the key "+
			"itself in %s. "+
			"For a new ledger, begin with `layer secret init`",
			path, fs.ErrNotExist, IdentityVariable)
	case errors.Is(err, fs.ErrPermission) && atomicfile.DeniedByRoot(path) != "":
		return Identities{}, fmt.Errorf("identity %s: %w: %s", path, fs.ErrPermission, atomicfile.DeniedByRoot(path))
	case errors.Is(err, fs.ErrPermission):
		return Identities{}, fmt.Errorf("identity %s: %w: only its owner may read it (mode 0600), so run as its owner",
			path, fs.ErrPermission)
	case err != nil:
		return Identities{}, fmt.Errorf("identity %s: %w", path, err)
	case mode&othersWrite != 0:
		return Identities{}, writableByOthers(path, mode)
	case strings.TrimSpace(string(text)) == "":
		return Identities{}, fmt.Errorf("identity %s: it is empty, as a run that was killed could leave it: it opens "+
			"nothing, so remove it and run again",
			path)
	}
	ids, err := p.ParseIdentities("identity "+path, string(text))
	if err != nil {
		return Identities{}, fmt.Errorf("identity %s: %w", path, err)
	}
	return ids, nil
}

// leadsNowhere reports whether a path is a link to a file that does not exist.
func leadsNowhere(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return false
	}
	_, err = os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func linkToNowhere(path string) error {
	return fmt.Errorf("identity %s: it is a link that leads nowhere: restore the file that it leads to, or remove the "+
		"link", path)
}

// IdentitiesFromEnv parses the environment variable [IdentityVariable]. ok is
// false if the variable is unset or empty.
func IdentitiesFromEnv() (ids Identities, ok bool, err error) {
	text := os.Getenv(IdentityVariable)
	if text == "" {
		return Identities{}, false, nil
	}
	ids, err = ParseIdentities(text)
	if err != nil {
		return Identities{}, true, fmt.Errorf("%s: %w", IdentityVariable, err)
	}
	return ids, true, nil
}
