package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"

	"github.com/layeron-hq/secret/driver"
)

// Prompts ask a person for a passphrase, or for the answer to an age plugin. The zero
// Prompts ask nothing: an identity with a passphrase is refused, and an age plugin gets no
// answer.
type Prompts struct {
	// Passphrase returns the passphrase of the identity with that name. again is true
	// after a wrong one.
	Passphrase func(name string, again bool) (driver.Value, error)
	// Plugin answers the questions of age plugins, such as for a PIN.
	Plugin *plugin.ClientUI
}

func (p Prompts) plugin() *plugin.ClientUI {
	if p.Plugin == nil {
		return &plugin.ClientUI{}
	}
	return p.Plugin
}

// tries is how often a passphrase is asked for.
const tries = 3

// promptError is a failure to get a passphrase.
type promptError struct{ error }

func (e promptError) Unwrap() error { return e.error }

func isPromptError(err error) bool {
	var failed promptError
	return errors.As(err, &failed)
}

// unlock asks for the passphrase until it is the right one. try reports whether a
// passphrase is wrong.
func (p Prompts) unlock(name string, try func(passphrase string) (wrong bool, err error)) error {
	if p.Passphrase == nil {
		return promptError{errors.New("a passphrase protects it, and there is no terminal to ask for it: run this at a " +
			"terminal, or use an identity without a passphrase: " + IdentityVariable + " takes the key itself")}
	}
	for n := range tries {
		passphrase, err := p.Passphrase(name, n > 0)
		if err != nil {
			return promptError{err}
		}
		if passphrase.Reveal() == "" {
			continue // nothing is protected with it
		}
		if wrong, err := try(passphrase.Reveal()); !wrong {
			return err
		}
	}
	return promptError{errors.New("the passphrase is wrong")}
}

// decrypt returns the identities in a file that age has encrypted with a passphrase.
func (p Prompts) decrypt(name, text string) (identities, error) {
	var in io.Reader = strings.NewReader(text)
	if strings.HasPrefix(text, armor.Header) {
		in = armor.NewReader(in)
	}
	locked := &lockedIdentity{prompts: p, name: name}
	plain, err := age.Decrypt(in, locked)
	var content []byte
	if err == nil {
		content, err = io.ReadAll(io.LimitReader(plain, maxIdentities+1))
	}
	var foreign *age.NoIdentityMatchError
	switch {
	case locked.err != nil:
		return identities{}, locked.err
	case errors.As(err, &foreign):
		return identities{}, errors.New("it is encrypted to a key, not with a passphrase: decrypt it with " +
			"`age -d`, and use the result")
	case err != nil:
		return identities{}, errors.New("it is encrypted with age, and damaged or cut off: restore it from a backup")
	case len(content) > maxIdentities:
		return identities{}, fmt.Errorf("it contains more than %d bytes", maxIdentities)
	}
	text = string(bytes.TrimSpace(content))
	if _, rest := cutComments(text); strings.HasPrefix(rest, armor.Header) || strings.HasPrefix(rest, ageHeader) {
		return identities{}, errors.New("it is encrypted twice: decrypt it once with `age -d`, and use the result")
	}
	found, err := p.parse(name, text)
	found.protected = true
	if err != nil && !isPromptError(err) {
		err = fmt.Errorf("in the encrypted content: %w", err)
	}
	return found, err
}

// lockedIdentity opens a file that is encrypted with a passphrase. It asks only for
// such a file.
type lockedIdentity struct {
	prompts Prompts
	name    string
	err     error // the failure to get the passphrase
}

// Unwrap implements [age.Identity].
func (l *lockedIdentity) Unwrap(stanzas []*age.Stanza) (fileKey []byte, err error) {
	if len(stanzas) != 1 || stanzas[0].Type != "scrypt" {
		return nil, age.ErrIncorrectIdentity
	}
	err = l.prompts.unlock(l.name, func(passphrase string) (bool, error) {
		id, err := age.NewScryptIdentity(passphrase)
		if err != nil {
			return false, err
		}
		fileKey, err = id.Unwrap(stanzas)
		return errors.Is(err, age.ErrIncorrectIdentity), err
	})
	if isPromptError(err) {
		l.err = err
	}
	return fileKey, err
}
