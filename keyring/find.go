package keyring

import (
	"context"
	"errors"
	"time"

	"github.com/layeron-hq/secret"
)

// Find returns the version of s with that id, if it has not expired: the key
// that a JWT names in its header kid, for example. It is the lookup of
// [Signer.Verify], for tokens of another form. Announced versions are found
// too. The caller verifies the token with the version's bytes.
//
// An unknown id may belong to a version that is newer than this machine's copy
// of the secret. Find then asks the store, at most once in ten seconds for all
// Finds, Signers and Sealers of s and its [secret.Secret.With] copies, and
// waits for the answer, no longer than ctx. A client that invents ids cannot
// cause more requests. Under an App a known id is found in memory, without I/O,
// lock or allocation.
//
// Two kinds of errors need two answers:
//
//   - [ErrInvalidToken]: s has no such key. Answer 401. The error also wraps
//     [secret.ErrVersionNotFound] if no version has the id, or
//     [secret.ErrNotActive] if the version has expired.
//   - Any other error: the key may exist. Answer 503, and the same token may be
//     accepted later. The store or the declaration is at fault, or ctx ended
//     first. This includes an unknown id while the store is out of reach.
//     Verify refuses such a token instead.
//
// Find is safe for concurrent use.
func Find(ctx context.Context, s *secret.Secret, id string) (secret.Version, error) {
	found := find(ctx, s, refresherFor(s), id, pickActive)
	switch {
	case found.trouble != nil:
		return secret.Version{}, wrap("keyring: find under "+s.String(), found.trouble)
	case found.err != nil:
		return secret.Version{}, wrap("keyring: find under "+s.String(),
			fail(ErrInvalidToken.Error()+": "+found.err.Error(), ErrInvalidToken, found.err))
	}
	return found.version, nil
}

// pick selects the versions that an operation accepts.
type pick uint8

const (
	pickActive pick = iota // those that have not expired
	pickAny
)

// found is the result of a lookup. Without err and trouble it is the version
// and its document.
type found struct {
	doc     *secret.Document
	version secret.Version
	err     error // the document has no such version, or it has expired
	trouble error // the document could not be read, or the store not be asked for a newer one
}

// find looks for the version with that id in this machine's copy of s. An
// unknown version may be newer than the copy: find then asks the store.
func find(ctx context.Context, s *secret.Secret, r *refresher, id string, pick pick) found {
	answers := r.ended()
	first := look(ctx, s, id, pick)
	if id == "" || !errors.Is(first.err, secret.ErrVersionNotFound) {
		return first
	}
	trouble := r.refresh(ctx, s)
	second := first
	// also if another caller's refresh has ended since the first look
	if r.ended() != answers {
		second = look(ctx, s, id, pick)
	}
	switch {
	case second.trouble != nil: // the reason is still the unknown version
		second.err = first.err
	case errors.Is(second.err, secret.ErrVersionNotFound):
		second.trouble = trouble
	}
	return second
}

func look(ctx context.Context, s *secret.Secret, id string, pick pick) (f found) {
	if f.doc, f.trouble = s.Load(ctx); f.trouble != nil {
		return f
	}
	if pick == pickActive {
		f.version, f.err = f.doc.ActiveVersion(id, time.Now())
	} else {
		f.version, f.err = f.doc.Version(id)
	}
	return f
}
