package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/layeron-hq/secret"
)

// record is a row of a database.
type record struct {
	version string    // of the key; empty in rows that an older program wrote
	at      time.Time // when it was sealed
	sealed  []byte
}

var errOpen = errors.New("no version of the key opens the record")

// seal encrypts under the current version, and stores the version's id beside the text: no time can say as much, since
// machines learn of a rotation at different moments.
func seal(ctx context.Context, key *secret.Secret, plain string, at time.Time) (record, error) {
	doc, err := key.Load(ctx)
	if err != nil {
		return record{}, err
	}
	v := doc.Current()
	aead, err := aeadOf(v)
	if err != nil {
		return record{}, err
	}
	return record{version: v.ID, at: at, sealed: aead.Seal(nil, nil, []byte(plain), nil)}, nil
}

// open decrypts with the version that the record names, and else with the one in force at its time, then with the others:
// the encryption is authenticated, so a wrong key cannot pass. It returns the id of the version that opened it.
func open(ctx context.Context, key *secret.Secret, r record) (plain, by string, err error) {
	doc, err := key.Load(ctx)
	if err != nil {
		return "", "", err
	}
	var candidates []secret.Version
	if r.version != "" {
		v, err := doc.Version(r.version)
		if err != nil {
			return "", "", err
		}
		candidates = append(candidates, v)
	} else {
		if v, err := doc.At(r.at); err == nil {
			candidates = append(candidates, v)
		}
		candidates = slices.AppendSeq(candidates, doc.All())
	}
	for _, v := range candidates {
		aead, err := aeadOf(v)
		if err != nil {
			return "", "", err
		}
		if plain, err := aead.Open(nil, nil, r.sealed, nil); err == nil {
			return string(plain), v.ID, nil
		}
	}
	return "", "", errOpen
}

// aeadOf returns AES-256-GCM with a random nonce before each text.
func aeadOf(v secret.Version) (cipher.AEAD, error) {
	key, err := v.Bytes()
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// newKey returns 32 random bytes.
func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}
