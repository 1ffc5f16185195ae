package ledger

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/rotate"
)

// ParseIdentities is [Prompts.ParseIdentities] without a person to ask.
func ParseIdentities(text string) (Identities, error) {
	return Prompts{}.ParseIdentities("identity", text)
}

// ParseIdentities parses private keys in one of these forms:
//
//   - lines of the format of age-keygen: AGE-SECRET-KEY-1…, AGE-SECRET-KEY-PQ-1…, or
//     AGE-PLUGIN-NAME-1… for a key that the program age-plugin-NAME has
//   - an SSH private key, ed25519 or RSA, with or without a passphrase
//   - one of these, encrypted with a passphrase by age, armored or not
//
// It skips empty lines and lines that begin with #, except the ledger lines of
// [Identities.Ledgers]. name says which identity the passphrase is asked for. The
// errors show no part of the text.
func (p Prompts) ParseIdentities(name, text string) (Identities, error) {
	found, err := p.parse(name, text)
	if err != nil {
		return Identities{}, err
	}
	ids := Identities{new(atomic.Pointer[identities])}
	ids.p.Store(&found)
	return ids, nil
}

const (
	ageHeader = "age-encryption.org/v1"
	pemHeader = "-----BEGIN "
)

// parse parses the comments at the beginning, and then the form that the first other
// line has.
func (p Prompts) parse(name, text string) (found identities, err error) {
	comments, rest := cutComments(text)
	switch {
	case strings.HasPrefix(rest, armor.Header), strings.HasPrefix(rest, ageHeader):
		found, err = p.decrypt(name, rest)
	case strings.HasPrefix(rest, pemHeader):
		found, err = p.parseSSH(name, rest)
	default:
		return p.parseLines(text)
	}
	found.ledgers = append(ledgersOf(comments), found.ledgers...)
	return found, err
}

// cutComments cuts a text before its first line that is neither empty nor a comment.
func cutComments(text string) (comments, rest string) {
	for line := range strings.Lines(text) {
		if trimmed := strings.TrimSpace(line); trimmed != "" && trimmed[0] != '#' {
			break
		}
		comments += line
	}
	return comments, strings.TrimLeft(text[len(comments):], " \t\r\n")
}

func ledgersOf(text string) (ids []string) {
	for line := range strings.Lines(text) {
		if id, ok := ledgerOf(strings.TrimSpace(line)); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func (p Prompts) parseLines(text string) (identities, error) {
	found := identities{ledgers: ledgersOf(text)}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		k, err := p.parseLine(line)
		if err != nil {
			return identities{}, fmt.Errorf("line %d %w", n, err)
		}
		found.keys = append(found.keys, k)
	}
	if len(found.keys) == 0 {
		return identities{}, errors.New("no private key is in it: it must have a line that begins with " +
			"AGE-SECRET-KEY-1, as `layer secret init` and `age-keygen` write it")
	}
	found.namePlugins(text)
	return found, nil
}

// parseLine parses one key. It drops age's errors: they quote characters of the
// key.
func (p Prompts) parseLine(line string) (key, error) {
	var k key
	var err error
	switch {
	case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
		var id *age.X25519Identity
		if id, err = age.ParseX25519Identity(line); err == nil {
			k = key{id, id.Recipient().String(), []byte(id.String())}
		}
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		var id *age.HybridIdentity
		if id, err = age.ParseHybridIdentity(line); err == nil {
			k = key{id, id.Recipient().String(), []byte(id.String())}
		}
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		var id *plugin.Identity
		if id, err = plugin.NewIdentity(line, p.plugin()); err == nil {
			k.Identity = pluginIdentity{id}
		}
	case strings.HasPrefix(line, "age1"), strings.HasPrefix(line, "ssh-"):
		return key{}, errors.New("is a public key: use the private key, which begins with AGE-SECRET-KEY-1 or, for SSH, " +
			"with -----BEGIN OPENSSH PRIVATE KEY-----")
	case strings.HasPrefix(line, armor.Header), strings.HasPrefix(line, pemHeader), strings.HasPrefix(line, ageHeader):
		return key{}, errors.New("begins a second identity of another form: put each into a file of its own")
	default:
		return key{}, errors.New("is no age key: it should begin with AGE-SECRET-KEY-1")
	}
	if err != nil {
		return key{}, errors.New("is a damaged age key: a character is wrong or missing. Copy it again")
	}
	return k, nil
}

// namePlugins gives the keys of plugins their public keys, from the comments of the
// text. The order is that of the keys: each plugin writes the comment above the key.
func (found *identities) namePlugins(text string) {
	var names []string
	for line := range strings.Lines(text) {
		if m := publicKeyLine().FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			if to, _, err := rotate.CleanRecipient(m[1]); err == nil {
				names = append(names, to)
			}
		}
	}
	for i := range found.keys {
		names = slices.DeleteFunc(names, func(to string) bool { return to == found.keys[i].recipient })
	}
	for i := range found.keys {
		if found.keys[i].recipient == "" && len(names) > 0 {
			found.keys[i].recipient, names = names[0], names[1:]
		}
	}
}

// publicKeyLine matches the comment in which age-keygen and the plugins write the
// public key.
var publicKeyLine = lazyregexp.New(`^#\s*(?i:public key|recipient)\s*:\s*(age1\S+)$`)

// pluginIdentity makes the errors of a plugin recognizable.
type pluginIdentity struct{ *plugin.Identity }

// Unwrap implements [age.Identity].
func (id pluginIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	fileKey, err := id.Identity.Unwrap(stanzas)
	if err != nil && !errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, &rotate.PluginError{Name: id.Name(), Err: err}
	}
	return fileKey, err
}

// String returns no part of the identity.
func (id pluginIdentity) String() string { return "[age-plugin-" + id.Name() + "]" }

// parseSSH parses an SSH private key. Only comments may follow it: another key
// would be ignored.
func (p Prompts) parseSSH(name, text string) (identities, error) {
	_, after := pem.Decode([]byte(text))
	comments, more := cutComments(string(after))
	if len(after) < len(text) && more != "" { // otherwise the key is damaged
		return identities{}, errors.New("a second key or another text follows the SSH key: put each into a file of its own")
	}
	raw, err := ssh.ParseRawPrivateKey([]byte(text))
	found := identities{ledgers: ledgersOf(comments)}
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		found.protected = true
		err = p.unlock(name, func(passphrase string) (bool, error) {
			raw, err = ssh.ParseRawPrivateKeyWithPassphrase([]byte(text), []byte(passphrase))
			return errors.Is(err, x509.IncorrectPasswordError), err
		})
		if isPromptError(err) {
			return identities{}, err
		}
	}
	if err != nil {
		return identities{}, errors.New("it is no SSH private key that age supports, or a damaged one: use an ed25519 or " +
			"RSA key, and give an old one today's form with `ssh-keygen -p -f FILE`")
	}
	k, err := sshKey(raw)
	if err != nil {
		return identities{}, err
	}
	found.keys = []key{k}
	return found, nil
}

// sshKey returns the key of a result of [ssh.ParseRawPrivateKey].
func sshKey(raw any) (key, error) {
	if p, ok := raw.(*ed25519.PrivateKey); ok {
		raw = *p
	}
	signer, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return key{}, errSSH
	}
	var k key
	switch private := raw.(type) {
	case ed25519.PrivateKey:
		k.secret = private.Seed()
		k.Identity, err = agessh.NewEd25519Identity(private)
	case *rsa.PrivateKey:
		k.secret = x509.MarshalPKCS1PrivateKey(private)
		k.Identity, err = agessh.NewRSAIdentity(private)
	default:
		return key{}, errSSH
	}
	if err != nil {
		return key{}, errSSH
	}
	k.recipient, _, err = rotate.CleanRecipient(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	if err != nil {
		return key{}, errSSH
	}
	return k, nil
}

var errSSH = errors.New("it is an SSH key that age does not support: use an ed25519 key, or an RSA key with 2048 " +
	"bits or more")
