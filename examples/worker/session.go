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

// sessionPurpose is the same in the Container, which accepts what the Worker issues.
const sessionPurpose = "session"

// issue makes a session, which names the version of the key: whoever checks it need not try several.
func issue(sessions *secret.Secret, user string, now time.Time) (token string, err error) {
	return keyring.NewSigner(sessions, sessionPurpose).Sign([]byte(user), now.Add(sessionLife))
}

// check accepts a session that a version signed which has not expired: the current one, the one before it during the overlap,
// and the next one, which another place may use already.
func check(ctx context.Context, sessions *secret.Secret, token string) (greeting string, err error) {
	user, err := keyring.NewSigner(sessions, sessionPurpose).Verify(ctx, token)
	if err != nil {
		return "", err
	}
	return string(user) + ", signed by " + strings.Split(token, ".")[1], nil // s1.v2.…
}
