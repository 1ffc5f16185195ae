package main

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/layeron-hq/secret"
)

// declareEncryptionKey declares the key that seals records. Old versions are
// kept for good, since old records are.
func declareEncryptionKey(store secret.Store) *secret.Secret {
	return secret.Random(secret.Options{Namespace: "storage", Name: "encryption-key", Store: store,
		Rotation: &secret.Rotation{EveryDays: 90, Retain: secret.Retention{Mode: secret.RetainForever}}})
}

// record is the row of a database. If you design the table yourself, keep
// Version.ID in it and open with Version(id): within seconds of a rotation a
// time does not identify the key.
type record struct {
	encryptedAt time.Time
	sealed      []byte
}

func showRecord(w io.Writer, s *secret.Secret) error {
	old, err := s.Version("v2").Bytes()
	if err != nil {
		return err
	}
	sealed, err := seal(old, []byte("the quick brown fox"))
	if err != nil {
		return err
	}
	rec := record{encryptedAt: past, sealed: sealed}

	// From here on only the record is known, not the version.
	then, err := s.At(rec.encryptedAt).Bytes()
	if err != nil {
		return err
	}
	content, err := open(then, rec.sealed)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Record       sealed by v2 on %s: opened by the key of that day, %d bytes\n",
		rec.encryptedAt.Format(time.DateOnly), len(content))

	current, err := s.Current().Bytes()
	if err != nil {
		return err
	}
	if _, err := open(current, rec.sealed); err == nil {
		return errors.New("the current key opened a record that an older one sealed")
	}
	fmt.Fprintln(w, "             the current key does not open it")
	return nil
}

// seal encrypts with AES-256-GCM; the nonce stands before the result.
func seal(key, content []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, content, nil), nil
}

func open(key, sealed []byte) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nil, sealed, nil)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
