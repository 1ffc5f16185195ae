package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// tokenSeed signs the tokens. It is retained for a day beyond the overlap of
// its rotation, so a replaced key outlives its tokens.
var tokenSeed = secret.Random(secret.Options{Namespace: "auth", Name: "token-seed", Bytes: ed25519.SeedSize,
	Rotation: &secret.Rotation{EveryDays: 90, Retain: secret.Retention{Mode: secret.RetainFor, Days: 1}}})

const (
	tokenLife = 15 * time.Minute
	// Verifiers compare both: a token for another service is not accepted.
	issuerName = "https://login.example.com"
	audience   = "https://api.example.com"
)

// issuer signs tokens and publishes the keys that verify them.
type issuer struct {
	seed   *secret.Secret
	window time.Duration // of the rotation of seed
}

// issue returns a token for subject, signed by the current version.
func (i issuer) issue(ctx context.Context, subject string) (string, error) {
	v, err := i.seed.Current().Get(ctx)
	if err != nil {
		return "", err
	}
	now := time.Now()
	if !v.ExpiresAt.IsZero() && !now.Before(v.ExpiresAt) {
		return "", fmt.Errorf("version %s of %v has expired, so no verifier would accept the token: %w",
			v.ID, i.seed, secret.ErrNotActive)
	}
	key, err := privateKey(v)
	if err != nil {
		return "", err
	}
	return sign(key, header{Alg: algorithm, Typ: "JWT", Kid: v.ID},
		claims{Issuer: issuerName, Audience: audience, Subject: subject, Expires: now.Add(tokenLife).Unix()})
}

// find returns the public key that a token names. It also accepts the key of
// another machine that has read a rotation before this one.
func (i issuer) find(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	v, err := keyring.Find(ctx, i.seed, kid)
	if err != nil {
		return nil, err
	}
	return publicKey(v)
}

// privateKey returns the key of a version. Options.Bytes makes Bytes return 32
// bytes or an error.
func privateKey(v secret.Version) (ed25519.PrivateKey, error) {
	seed, err := v.Bytes()
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func publicKey(v secret.Version) (ed25519.PublicKey, error) {
	key, err := privateKey(v)
	if err != nil {
		return nil, err
	}
	return key.Public().(ed25519.PublicKey), nil
}
