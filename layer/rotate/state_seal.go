package rotate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// This file encrypts a state and decrypts it. Every place that stores a ledger
// for a team or in a file holds the sealed form. age does not authenticate the
// writer, so an unsealed state may be forged: State.ID and the signed notes
// reveal that.

// Seal encrypts a state to the recipients in its settings, see [CleanRecipient]:
// classic ones or post-quantum ones (age1pq1…), not both. The result is binary,
// and every call returns different bytes. The errors show no recipient, because it may be
// a private key that was given by mistake.
//
// If identities are given, Seal returns an error if none can open the
// result.
func Seal(s State, identities ...age.Identity) ([]byte, error) {
	sealed, plain, err := seal(s)
	if err != nil || identities == nil {
		return sealed, err
	}
	back, err := decrypt(sealed, identities)
	if err != nil {
		return nil, fmt.Errorf("after this change it could not be read: %w", err)
	}
	if !bytes.Equal(back, plain) {
		return nil, errors.New("the encrypted state cannot be decrypted: the memory of this machine may be failing")
	}
	return sealed, nil
}

// MaxSealed is the limit of a sealed state's length in bytes: ten times a
// ledger of a hundred secrets with the largest documents.
const MaxSealed = 64 << 20

// CheckSize returns an error if size is greater than limit. The limit is
// [MaxSealed], except in tests.
func CheckSize(size, limit int) error {
	if size > limit {
		return fmt.Errorf("it would have %d bytes, and %d is the most: "+
			"remove secrets, or retain versions for a shorter time and revoke the old ones. "+
			"Removing needs no room, so remove one first", size, limit)
	}
	return nil
}

// seal returns the sealed state and its plaintext.
func seal(s State) (sealed, plain []byte, err error) {
	to, err := parseRecipients(s.Settings().Recipients)
	if err != nil {
		return nil, nil, err
	}
	if plain, err = s.encode(); err != nil {
		return nil, nil, errors.New("the state of the ledger cannot be written: a time in it is out of range")
	}
	if mended(plain) {
		return nil, nil, errors.New("the state of the ledger cannot be written: a text in it is not UTF-8")
	}
	if _, err := decodeState(plain); err != nil {
		return nil, nil, fmt.Errorf("%w: a new one begins with NewState", err)
	}
	var out bytes.Buffer
	out.Grow(len(plain) + len(plain)/1024 + 4096)
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		return nil, nil, encryptError(err)
	}
	_, err = w.Write(plain)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, nil, errors.New("the ledger cannot be encrypted to its recipients")
	}
	return out.Bytes(), plain, nil
}

// mended reports whether encoding/json replaced bytes that are not UTF-8 in a
// text. A value would then change.
func mended(encoded []byte) bool {
	for i := 0; i < len(encoded); i++ {
		if encoded[i] != '\\' {
			continue
		}
		if bytes.HasPrefix(encoded[i:], []byte(`\ufffd`)) {
			return true
		}
		i++
	}
	return false
}

const (
	ageHeader   = "age-encryption.org/v1"
	armorHeader = armor.Header
)

// Unseal decrypts a result of [Seal], armored or not, and checks that it is a
// state. Its errors describe the fault of the bytes and the next step, and show
// nothing from the content.
func Unseal(sealed []byte, identities ...age.Identity) (State, error) {
	plain, err := decrypt(sealed, identities)
	if err != nil {
		return State{}, err
	}
	s, err := decodeState(plain)
	if errors.Is(err, errNoState) || err == nil && slices.Contains(s.state().Secrets, nil) {
		return State{}, errors.New("it can be decrypted, but its content is not a ledger: " +
			"another file was put in its place, or it is a forgery. Restore the ledger from git or a backup")
	}
	return s, err
}

const restore = "restore the last good one from git or a backup"

func decrypt(sealed []byte, identities []age.Identity) ([]byte, error) {
	identities = slices.DeleteFunc(slices.Clone(identities), func(id age.Identity) bool { return id == nil })
	trimmed := bytes.TrimSpace(sealed)
	var in io.Reader
	switch {
	case len(trimmed) == 0:
		return nil, errors.New("it is empty: " + restore)
	case conflicted(trimmed):
		return nil, errors.New("it holds git's conflict markers: it was changed in two clones. " +
			"Versions cannot be merged: keep one side whole (`git checkout --ours` or `--theirs`), " +
			"repeat the changes of the other side there, " +
			"and go on from one clone only")
	case bytes.HasPrefix(trimmed, []byte(armorHeader)):
		in = armor.NewReader(bytes.NewReader(trimmed))
	case bytes.HasPrefix(sealed, []byte(ageHeader)):
		in = bytes.NewReader(sealed)
	default:
		return nil, errors.New("it is not encrypted with age, so it is no ledger, " +
			"or its beginning is damaged: " + restore)
	}
	if len(identities) == 0 {
		return nil, errors.New("there is no identity to open it with: " +
			"name the file that holds one, or put the key into LAYER_IDENTITY")
	}
	r, err := age.Decrypt(in, identities...)
	var foreign *age.NoIdentityMatchError
	var failed *PluginError
	switch {
	case errors.As(err, &failed):
		return nil, failed
	case errors.As(err, &foreign) && slices.Contains(foreign.StanzaTypes, "scrypt"):
		return nil, errors.New("it is encrypted with a passphrase, and a ledger never is: " + restore)
	case errors.As(err, &foreign):
		return nil, errors.New("it is encrypted to others: none of the identities given opens it. " +
			"Use the identity of one of its recipients, or ask a recipient to add you")
	case err != nil:
		return nil, errDamaged
	}
	plain := bytes.NewBuffer(make([]byte, 0, len(sealed)))
	if _, err := io.Copy(plain, r); err != nil {
		return nil, errDamaged
	}
	return plain.Bytes(), nil
}

var errDamaged = errors.New("it is damaged or cut off: " + restore)

// conflicted reports whether a text holds both sides of a merge by git.
func conflicted(text []byte) bool {
	for _, mark := range []string{"<<<<<<< ", ">>>>>>> "} {
		if !bytes.HasPrefix(text, []byte(mark)) && !bytes.Contains(text, []byte("\n"+mark)) {
			return false
		}
	}
	return true
}
