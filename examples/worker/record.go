//go:build js

package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"github.com/layeron-hq/secret"
)

var errOpen = errors.New("no version of the key opens the record")

// seal encrypts under the current version. A record that can keep the version's
// id should: see examples/encryption. This one keeps its time only, as records
// do that were there before the versions.
func seal(ctx context.Context, records *secret.Secret, text string, now time.Time) (string, error) {
	key, err := records.Current().Get(ctx)
	if err != nil {
		return "", err
	}
	aead, err := aeadOf(key)
	if err != nil {
		return "", err
	}
	sealed := aead.Seal(nil, nil, []byte(text), nil)
	return now.UTC().Format(time.RFC3339Nano) + " " + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// open decrypts with the version that was in force at the record's time, then
// with the others: places learn of a rotation at different moments, and the
// encryption is authenticated, so a wrong key cannot pass.
func open(ctx context.Context, records *secret.Secret, at, sealed64 string) (string, error) {
	when, err := time.Parse(time.RFC3339Nano, at)
	sealed, err2 := base64.RawURLEncoding.DecodeString(sealed64)
	if err != nil || err2 != nil {
		return "", errOpen
	}
	doc, err := records.Load(ctx)
	if err != nil {
		return "", err
	}
	var candidates []secret.Version
	if v, err := doc.At(when); err == nil {
		candidates = append(candidates, v)
	}
	for i, key := range slices.AppendSeq(candidates, doc.All()) {
		aead, err := aeadOf(key)
		if err != nil {
			return "", err
		}
		if text, err := aead.Open(nil, nil, sealed, nil); err == nil {
			how := "found by its time"
			if i >= len(candidates) {
				how = "found by trying"
			}
			return string(text) + ", sealed under " + key.ID + ", " + how, nil
		}
	}
	return "", errOpen
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
