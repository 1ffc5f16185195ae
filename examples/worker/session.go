//go:build js

package main

import (
	"context"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

const sessionLife = 12 * time.Hour

// sessionPurpose is the same in the Container, which accepts what the Worker
// issues.
const sessionPurpose = "session"

// issue makes a session with the id of the key's version: a check then needs to
// try only one version.
func issue(sessions *secret.Secret, user string, now time.Time) (token string, err error) {
	return keyring.NewSigner(sessions, sessionPurpose).Sign([]byte(user), now.Add(sessionLife))
}

// check accepts a session that was signed by a version that has not expired:
// the current one, the one before it during the overlap, and the announced one,
// which another place may use already.
func check(ctx context.Context, sessions *secret.Secret, token string) (greeting string, err error) {
	user, err := keyring.NewSigner(sessions, sessionPurpose).Verify(ctx, token)
	if err != nil {
		return "", err
	}
	id := strings.TrimPrefix(token, "s1.") // s1.v2.…
	return string(user) + ", signed by " + id[:strings.IndexByte(id, '.')], nil
}
