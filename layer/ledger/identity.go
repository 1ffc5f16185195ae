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
	"filippo.io/age/armor"

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
	keys    []age.Identity
	ledgers []string // see Identities.Ledgers
}

func (ids Identities) list() []age.Identity {
	if ids.p == nil {
		return nil
	}
	return ids.p.Load().keys
}

// All returns each private key as one [age.Identity], for [rotate.Unseal]. The
// slice is never nil.
func (ids Identities) All() []age.Identity { return append([]age.Identity{}, ids.list()...) }

// Recipients returns the public keys, for [rotate.Settings].
func (ids Identities) Recipients() []string {
	var to []string
	for _, id := range ids.list() {
		switch id := id.(type) {
		case *age.X25519Identity:
			to = append(to, id.Recipient().String())
		case *age.HybridIdentity:
			to = append(to, id.Recipient().String())
		}
	}
	return to
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

// ReadIdentities reads a file of private keys in the format of age-keygen. If the
// file does not exist, the error wraps [fs.ErrNotExist]. A file that other users
// may write is refused; [IdentityReadable] warns of one that they may read.
// ReadIdentities also removes the temporary files of a [WriteIdentity] that was
// killed.
func ReadIdentities(path string) (Identities, error) {
	atomicfile.SweepDeadOf(path)
	text, mode, err := atomicfile.ReadInfo(path, maxIdentities)
	switch {
	case errors.Is(err, fs.ErrNotExist) && leadsNowhere(path):
		return Identities{}, linkToNowhere(path)
	case errors.Is(err, fs.ErrNotExist):
		return Identities{}, fmt.Errorf("identity %s: %w: give the file with the private key in --identity, or the key itself in %s. "+
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
	ids, err := ParseIdentities(string(text))
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

// ParseIdentities parses private keys in the format of age-keygen, one per line:
// AGE-SECRET-KEY-1… or AGE-SECRET-KEY-PQ-1…. It skips empty lines and lines that
// begin with #, except the ledger lines of [Identities.Ledgers]. The errors show
// no part of the text.
func ParseIdentities(text string) (Identities, error) {
	var list []age.Identity
	var ledgers []string
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if id, ok := ledgerOf(line); ok {
			ledgers = append(ledgers, id)
		}
		if line == "" || line[0] == '#' {
			continue
		}
		id, err := parseIdentity(line)
		if err != nil {
			return Identities{}, fmt.Errorf("line %d %w", n, err)
		}
		list = append(list, id)
	}
	if len(list) == 0 {
		return Identities{}, errors.New("no private key is in it: it must have a line that begins with " +
			"AGE-SECRET-KEY-1, as `layer secret init` and `age-keygen` write it")
	}
	ids := Identities{new(atomic.Pointer[identities])}
	ids.p.Store(&identities{list, ledgers})
	return ids, nil
}

// parseIdentity parses one key. It drops age's errors: they quote characters of
// the key.
func parseIdentity(line string) (age.Identity, error) {
	var id age.Identity
	var err error
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
		id, err = age.ParseX25519Identity(line)
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		id, err = age.ParseHybridIdentity(line)
	case strings.HasPrefix(line, "age1"):
		return nil, errors.New("is a public key: use the private key, which begins with AGE-SECRET-KEY-1")
	case strings.HasPrefix(line, armor.Header), strings.HasPrefix(line, "age-encryption.org/v1"):
		return nil, errors.New("begins an encrypted file: decrypt it with `age -d`, and use the result")
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		return nil, errors.New("names an age plugin, which is not supported: make a key with `age-keygen`")
	case strings.HasPrefix(line, "-----BEGIN "), strings.HasPrefix(line, "ssh-"):
		return nil, errors.New("is no age key, and SSH keys are not supported: make one with `age-keygen`")
	default:
		return nil, errors.New("is no age key: it should begin with AGE-SECRET-KEY-1")
	}
	if err != nil {
		return nil, errors.New("is a damaged age key: a character is wrong or missing. Copy it again")
	}
	return id, nil
}
