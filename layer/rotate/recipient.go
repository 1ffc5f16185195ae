package rotate

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/plugin"
	"filippo.io/age/tag"
	"golang.org/x/crypto/ssh"
)

// CleanRecipient returns a public key as [Settings] keeps it, and the comment
// behind the key, which only an SSH key can have. Accepted are age's own keys
// (age1…), those of age plugins (age1NAME1…), and SSH keys (ssh-ed25519 …,
// ssh-rsa …) in the form of a .pub or authorized_keys line. The error shows no
// part of the text, which may be a private key that was given by mistake.
func CleanRecipient(text string) (key, comment string, err error) {
	text = strings.TrimSpace(text)
	if _, err := parseRecipient(text); err != nil {
		return "", "", err
	}
	if !isSSH(text) {
		return text, "", nil
	}
	public, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return "", "", errSSHRecipient
	}
	return string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(public))), comment, nil
}

var (
	errPrivate = errors.New("is a private key: put the public key (age1…) there, and replace the private one if " +
		"others may have seen it")
	errNoRecipient = errors.New("is not an age public key, which begins with age1: look for a typing error, " +
		"`age-keygen -y` prints it")
	errSSHRecipient = errors.New("is not an SSH public key that age supports: give a whole line of a .pub file that " +
		"begins with ssh-ed25519, or with ssh-rsa and has 2048 bits or more")
	errPluginRecipient = errors.New("is not the public key of an age plugin: look for a typing error, " +
		"the plugin prints it")
)

// isSSH reports whether a text begins like an SSH public key, also of a sort that age
// does not support.
func isSSH(text string) bool {
	return strings.HasPrefix(text, "ssh-") || strings.HasPrefix(text, "ecdsa-sha2-") || strings.HasPrefix(text, "sk-")
}

// isPostQuantum reports whether age encrypts to a key only together with other
// post-quantum keys.
func isPostQuantum(text string) bool {
	return strings.HasPrefix(text, "age1pq1") || strings.HasPrefix(text, "age1tagpq1")
}

// isPlugin reports whether a program, age-plugin-NAME, encrypts to a key.
func isPlugin(text string) bool {
	native := isPostQuantum(text) || strings.HasPrefix(text, "age1tag1")
	return !native && strings.HasPrefix(text, "age1") && strings.Count(text, "1") > 1
}

// parseRecipient parses one public key. It drops the errors of age, which quote
// the text.
func parseRecipient(text string) (r age.Recipient, err error) {
	wrong := errNoRecipient
	upper := strings.ToUpper(text)
	switch {
	case strings.HasPrefix(upper, "AGE-SECRET-KEY-"), strings.HasPrefix(upper, "AGE-PLUGIN-"),
		strings.HasPrefix(text, "-----BEGIN "):
		return nil, errPrivate
	case strings.HasPrefix(text, "age1pq1"):
		r, err = age.ParseHybridRecipient(text)
	case strings.HasPrefix(text, "age1tag1"), strings.HasPrefix(text, "age1tagpq1"):
		r, err = tag.ParseRecipient(text)
	case isSSH(text):
		wrong = errSSHRecipient
		r, err = agessh.ParseRecipient(text)
	case isPlugin(text):
		wrong = errPluginRecipient
		// A plugin that needs more than the public key to encrypt can ask no question.
		p, parseErr := plugin.NewRecipient(text, &plugin.ClientUI{})
		r, err = pluginRecipient{p}, parseErr
	default:
		r, err = age.ParseX25519Recipient(text)
	}
	if err != nil {
		return nil, wrong
	}
	return r, nil
}

func parseRecipients(texts []string) ([]age.Recipient, error) {
	if len(texts) == 0 {
		return nil, errors.New("the ledger has no recipients: no identity could open it. " +
			"Add the age public key (age1…) of each reader")
	}
	var to []age.Recipient
	classic, quantum := 0, 0
	for i, text := range texts {
		r, err := parseRecipient(text)
		if err != nil {
			return nil, fmt.Errorf("recipient %d of the ledger %w", i+1, err)
		}
		switch {
		case isPostQuantum(text):
			quantum++
		case !isPlugin(text):
			classic++
		}
		to = append(to, r)
	}
	if classic > 0 && quantum > 0 {
		return nil, errMixed
	}
	return to, nil
}

var errMixed = errors.New("the ledger has classic (age1…, ssh-…) and post-quantum (age1pq1…) recipients, " +
	"and age takes only one sort: replace all of them at once")

// A PluginError is the failure of an age plugin, a program that encrypts to a key
// or decrypts with it. Its text is the plugin's and contains no value.
type PluginError struct {
	Name string // the program is age-plugin-NAME
	Err  error
}

// Error describes the failure and the next step.
func (e *PluginError) Error() string {
	var missing *plugin.NotFoundError
	if errors.As(e.Err, &missing) {
		return fmt.Sprintf("the program age-plugin-%s is missing: install it into a folder of PATH", e.Name)
	}
	return fmt.Sprintf("age-plugin-%s failed: %s", e.Name, strings.TrimPrefix(e.Err.Error(), e.Name+" plugin: "))
}

// Unwrap returns Err.
func (e *PluginError) Unwrap() error { return e.Err }

// pluginRecipient makes the errors of a plugin recognizable.
type pluginRecipient struct{ *plugin.Recipient }

// WrapWithLabels implements [age.RecipientWithLabels].
func (r pluginRecipient) WrapWithLabels(key []byte) ([]*age.Stanza, []string, error) {
	stanzas, labels, err := r.Recipient.WrapWithLabels(key)
	if err != nil {
		return nil, nil, &PluginError{r.Name(), err}
	}
	return stanzas, labels, nil
}

// encryptError explains a failure of age.Encrypt.
func encryptError(err error) error {
	var failed *PluginError
	switch {
	case errors.As(err, &failed):
		return fmt.Errorf("the ledger cannot be encrypted to one of its recipients: %w", failed)
	case strings.HasPrefix(err.Error(), "incompatible recipients"):
		return errMixed // the sort of a plugin's key is known only now
	}
	return errors.New("the ledger cannot be encrypted to its recipients")
}
